# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
#
# Every target is one script under tests/tools, which can be run by itself and takes arguments for its tool.

SHELL := /bin/bash
TOOLS := tests/tools

.DEFAULT_GOAL := help
.PHONY: help setup lint unit oracle golden sanity importer windows lab molecule oldest test demo demo-ipsec bench docs clean

help: ## say what there is
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## install Debian packages and Python environments (all other targets that need them do it themselves)
	@$(TOOLS)/setup.sh

lint: ## style, types and licences
	@$(TOOLS)/lint.sh

unit: ## unit tests on the newest and the oldest ansible-core
	@$(TOOLS)/unit.sh

oracle: ## random packets through real kernels, judged without the plan
	@$(TOOLS)/oracle.sh

golden: ## write the expected plans and rules again; "git diff" is the review
	@$(TOOLS)/golden.sh

sanity: ## ansible-test sanity on the built collection
	@$(TOOLS)/sanity.sh

importer: ## what Galaxy checks on an upload
	@$(TOOLS)/importer.sh

windows: ## the collection on Windows doubles over winrm, psrp and ssh, and in Wine
	@$(TOOLS)/windows.sh

lab: ## the lab's own tests: killed, called twice, side by side, rebooted
	@$(TOOLS)/lab.sh

molecule: ## scenarios on hosts of the lab, newest ansible-core
	@$(TOOLS)/molecule.sh

oldest: ## the main playbook on hosts of the lab, oldest ansible-core
	@$(TOOLS)/oldest.sh

test: ## everything above, as CI runs it
	@$(TOOLS)/test.sh

demo: ## a mail organisation on this machine, closed and proved (KEEP=1 leaves it up)
	@$(TOOLS)/demo.sh

demo-ipsec: ## one path between two virtual machines, on the wire in clear before and in ESP after (KEEP=1 leaves them up)
	@$(TOOLS)/demo-ipsec.sh

bench: ## measure ratios, write docs/performance.md
	@$(TOOLS)/bench.sh

docs: ## write the generated documentation again
	@$(TOOLS)/docs.sh

clean: ## end every lab of these targets and delete what they cached for this checkout
	@$(TOOLS)/clean.sh

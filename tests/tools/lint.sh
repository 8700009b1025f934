#!/usr/bin/env bash
# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
# Everything that reads the sources without running them.
# shellcheck source-path=SCRIPTDIR
. "$(dirname "$0")/lib.sh"

venv=$(newest test)
use "$venv"
cd "$here"

types() {
  # From the folder above the namespace, or mypy takes each plugin for a top-level module.
  (cd "$tree" && mypy --config-file "$root/pyproject.toml" --cache-dir "$work/mypy" -p ansible_collections.datapath.exchange.plugins)
  (cd "$tree" && mypy --config-file "$root/pyproject.toml" --cache-dir "$work/mypy" ansible_collections/datapath/exchange/tests/tools/*.py)
  (cd "$root/tests/lab" && mypy --config-file "$root/pyproject.toml" --cache-dir "$work/mypy-lab" .)
  (cd "$root/tests/windows" && MYPYPATH=$tree mypy --config-file "$root/pyproject.toml" --cache-dir "$work/mypy-windows" .)
}

shell() {
  git ls-files -z --cached --others --exclude-standard '*.sh' .ci/run tests/lab/lab tests/windows/wine/wine | xargs -0 shellcheck --external-sources
}

collect
step "ruff" ruff check --no-fix .
step "mypy" types
step "yamllint" yamllint --strict .
step "ansible-lint" ansible-lint --offline --profile production --nocolor
step "shellcheck" shell
step "antsibull-changelog" antsibull-changelog lint
step "antsibull-docs" antsibull-docs lint-collection-docs --plugin-docs .
step "reuse" reuse --root "$root" lint --lines
verdict

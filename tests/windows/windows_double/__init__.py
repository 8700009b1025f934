# Copyright: Contributors to the datapath.exchange collection
# GNU General Public License v3.0+ (see LICENSES/GPL-3.0-or-later.txt or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A strict double of a Windows server: what its documentation says works, everything else is refused and fails the test.

It is written from public documentation alone and shares no code with the collection, so that one mistake can't hide in both.
"""

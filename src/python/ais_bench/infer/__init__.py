# SPDX-License-Identifier: MIT
"""Sessions (`interface`) and the summary of a run (`summary`)."""

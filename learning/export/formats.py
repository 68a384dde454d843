"""The table of formats."""

FORMATS = {"saved_model": "learning.export.saved_model:write"}

"""The audit of a data set before a model is trained on it: `audit` and its `AuditSettings`."""

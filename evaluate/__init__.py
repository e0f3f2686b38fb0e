"""Measures of a published knowledge base: how well it finds what a query set says is there."""

"""Request and response bodies: the wire form, apart from the domain's own types."""

"""What every package may import: settings, value types, errors."""

"""What a log looks like to people: text, and HTML."""

"""What several protocols have in common; nothing here is a protocol by itself."""

"""What faults are made of beside their own files; nothing here is a fault by itself."""

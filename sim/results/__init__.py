"""The folder that a session writes and resumes."""

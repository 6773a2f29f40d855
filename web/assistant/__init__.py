"""The assistant: answers questions in words, with the tools of the registry, under its asker's permissions."""

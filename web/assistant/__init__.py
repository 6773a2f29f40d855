"""The assistant: answers questions in words, with the registry's tools and its asker's permissions."""

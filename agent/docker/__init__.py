"""The Docker Engine of this host; the only importer of aiodocker."""

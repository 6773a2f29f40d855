"""The replicated log: the only importer of pysyncobj."""

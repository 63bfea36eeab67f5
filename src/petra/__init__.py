"""PETra: private, safe and auditable energy trading between the homes of a microgrid."""

__version__ = "0.1.0.dev0"

"""From a run's journal to figures, tables and a page; nothing here changes a run (DESIGN 12).

Map: `reading` the run directory, `kinds` the journal's fields, `facts` what happened, `energy` and `summary` the
figures.
"""

from petra.report.summary import summarise

__all__ = ["summarise"]

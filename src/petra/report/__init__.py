"""From a run directory to figures, tables and a page; nothing here changes a run (DESIGN 12).

Map: `reading` the directory, `kinds` the journal's fields, `facts` what happened; `energy`, `summary`, `checks`,
`outsider` and `trail` what follows from it; `sections` and `words` for people, `charts` and `figures` drawings,
`tables` CSV, `page` the HTML.
"""

from petra.report.summary import summarise
from petra.report.write import write_report

__all__ = ["summarise", "write_report"]

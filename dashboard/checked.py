"""What the Agree page shows of the last check: its result, and the map that was drawn last."""

from dataclasses import dataclass

from benchmark.agreement.audit import Audit, Surface


@dataclass(frozen=True, slots=True)
class Checked:
    """One check, and the decision surface that was drawn last."""

    audit: Audit
    surface: Surface

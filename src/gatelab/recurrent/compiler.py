"""From a cell to its plan."""

from gatelab.recurrent import backward_step, forward_step
from gatelab.recurrent.cell import Cell
from gatelab.recurrent.emit import Calls
from gatelab.recurrent.plan import Layout, Plan, choose_saved
from gatelab.recurrent.program import record


def build_plan(
    cell: Cell, *, layer_norm: bool = False, zoneout_hidden: bool = False, zoneout_cell: bool = False
) -> Plan:
    """Raises CellError for equations that the engine cannot rely on."""
    equations = record(cell, normalized=layer_norm and "h" not in cell.states, keep_hidden=zoneout_hidden)
    plan = Plan(cell, equations, Layout(cell), layer_norm, zoneout_hidden, zoneout_cell)
    saved = choose_saved(plan)
    node_of = equations.outputs
    plan.signals = [name for name in node_of if not name.endswith("'")]
    column_of = {chain[-1]: column for column, chain in saved.items()}
    plan.in_column = {name: column_of[node_of[name]] for name in plan.signals if node_of[name] in column_of}
    plan.calls = Calls(*forward_step.write_all(plan, saved), *backward_step.write_all(plan, saved))
    return plan

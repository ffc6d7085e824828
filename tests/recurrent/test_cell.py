"""What a cell may be, how its weights begin, and what a trace and a backend promise."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hydra.utils import instantiate
from omegaconf import OmegaConf
from torch import nn
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence

from gatelab.config.schema import CONF_DIR
from gatelab.config.signature import arguments_of
from gatelab.recurrent import CellEncoder, GatedEncoder, GatedLSTM, LSTMEncoder
from gatelab.recurrent.cells import LSTM

E, H, B, T = 3, 5, 4, 6
LENGTHS = torch.tensor([3, 6, 1, 4])
EXACT: Any = {"rtol": 0, "atol": 1e-10}
pytestmark = pytest.mark.usefixtures("one_thread_one_seed")


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        ({"coupled": "input", "forget_gate": False}, "coupled=input ties .* forget_gate=false takes one away"),
        ({"coupled": "forget", "input_gate": False}, "coupled=forget ties .* input_gate=false takes one away"),
        ({"coupled": "both"}, 'coupled must be "input", "forget" or none at all, not both'),
        ({"coupling_shift": 1.0}, "coupling_shift belongs to coupled=forget"),
        ({"input_gate": False, "forget_gate": False, "output_gate": False, "peepholes": True}, "peepholes=true needs a gate"),
        ({"input_gate": False, "forget_gate": False, "output_gate": False, "gate_recurrence": True}, "gate_recurrence=true needs"),
        ({"forget_bias": 1.0, "chrono": 10}, "forget_bias and chrono both set"),
        ({"forget_bias": 1.0, "forget_gate": False}, "forget_bias sets the bias of the forget gate"),
        ({"chrono": 10, "forget_gate": False}, "chrono sets the bias of the forget gate"),
        ({"chrono": 2}, "at least 3, not 2"),
        ({"candidate_activation": "relu"}, "candidate_activation must be one of tanh, identity, tanh_1997, not relu"),
        ({"zoneout_cell": 1.0}, r"zoneout_cell must lie in \[0, 1\), not 1.0"),
        ({"backend": "native", "peepholes": True}, "native is torch's own LSTM kernel, which cannot do peepholes=True"),
        ({"backend": "cuda"}, "backend must be one of auto, equations, fused, compiled, native, not cuda"),
        ({"bias": False, "chrono": 10}, "but bias=False leaves none"),
    ],
)  # fmt: skip
def test_what_contradicts_itself_is_refused_with_a_sentence(options: dict[str, Any], sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        GatedLSTM(E, H, **options)


def test_an_unknown_setting_is_refused_by_name() -> None:
    with pytest.raises(TypeError, match="peephole"):
        GatedLSTM(E, H, peephole=True)


def load(text: str) -> Any:
    return OmegaConf.to_container(OmegaConf.create(text))


@pytest.mark.parametrize("path", sorted((CONF_DIR / "encoder").glob("*.yaml")), ids=lambda path: path.stem)
def test_every_encoder_yaml_is_short_and_says_how_to_run_it(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert f"gatelab train encoder={path.stem}" in text.splitlines()[0]
    settings = load(text)
    if "cell" in settings:
        assert settings["defaults"] == ["base/cell@_here_", "_self_"]
        CellEncoder(E, H, cell=instantiate(settings["cell"]))
    elif path.stem not in ("lstm", "gru", "rnn", "gated"):
        assert settings.pop("defaults") == ["gated", "_self_"]
        GatedLSTM(E, H, **settings)


def test_gated_yaml_lists_every_setting_of_a_cell_with_its_default() -> None:
    settings = load((CONF_DIR / "encoder" / "gated.yaml").read_text(encoding="utf-8"))
    defaults = {
        one.name: one.default
        for kind in (LSTM, CellEncoder)
        for one in arguments_of(kind)
        if one.default is not one.empty
    }
    assert {name: settings[name] for name in defaults} == defaults


def test_the_base_of_every_cell_lists_every_setting_of_its_layers_with_its_default() -> None:
    settings = load((CONF_DIR / "encoder" / "base" / "cell.yaml").read_text(encoding="utf-8"))
    defaults = {one.name: one.default for one in arguments_of(CellEncoder) if one.default is not one.empty}
    assert {name: settings[name] for name in defaults} == defaults


@pytest.mark.parametrize(("options", "row"), [({}, 1), ({"coupled": "forget"}, 0), ({"input_gate": False}, 0)])
def test_the_forget_bias_is_the_sum_of_the_forget_gates_two_biases(options: dict[str, Any], row: int) -> None:
    state = GatedLSTM(E, H, num_layers=2, bidirectional=True, forget_bias=1.5, **options).state_dict()
    for suffix in ("_l0", "_l0_reverse", "_l1", "_l1_reverse"):
        total = state[f"bias_ih{suffix}"] + state[f"bias_hh{suffix}"]
        assert total[row * H : (row + 1) * H].tolist() == [1.5] * H
        assert (total.view(-1, H) == 1.5).all(1).sum() == 1


def test_the_forget_bias_of_a_coupled_input_gate_is_its_negative() -> None:
    """f = 1 − σ(a_i) is σ(1.5) where a_i = −1.5."""
    state = GatedLSTM(E, H, coupled="input", forget_bias=1.5).state_dict()
    assert (state["bias_ih_l0"] + state["bias_hh_l0"])[:H].tolist() == [-1.5] * H


def test_chrono_spreads_the_forget_gates_over_the_time_scales() -> None:
    """Tallec & Ollivier 2018: b_f = log u, u uniform in [1, T − 1], b_i = −b_f."""
    state = GatedLSTM(E, 4000, chrono=101).state_dict()
    b_i, b_f, *_ = (state["bias_ih_l0"] + state["bias_hh_l0"]).split(4000)
    assert torch.equal(b_i, -b_f)
    scales = b_f.exp().sort().values
    assert scales[0] >= 1
    assert scales[-1] <= 100.001
    assert (scales - torch.linspace(1, 100, 4000)).abs().max() < 4


def test_every_gates_recurrent_matrix_can_be_orthogonal() -> None:
    for block in GatedLSTM(E, H, coupled="input", orthogonal=True).double().state_dict()["weight_hh_l0"].split(H):
        torch.testing.assert_close(block @ block.T, torch.eye(H).double(), rtol=0, atol=1e-6)


@pytest.mark.parametrize("bidirectional", [False, True])
def test_a_packed_sequence_comes_out_where_one_went_in(bidirectional: bool) -> None:
    options: Any = {"num_layers": 2, "bidirectional": bidirectional}
    reference, gated = nn.LSTM(E, H, **options).double(), GatedLSTM(E, H, **options).double()
    gated.load_state_dict(reference.state_dict())
    x = torch.randn(T, B, E, dtype=torch.float64)
    hx = tuple(torch.randn(4 if bidirectional else 2, B, H, dtype=torch.float64) for _ in range(2))
    for lengths, is_sorted in ((LENGTHS, False), (LENGTHS.sort(descending=True).values, True)):
        packed = pack_padded_sequence(x, lengths, enforce_sorted=is_sorted)
        expected, (h_n, c_n) = reference(packed, hx)
        output, finals = gated(packed, hx)
        torch.testing.assert_close(output.data, expected.data, **EXACT)
        torch.testing.assert_close(pad_packed_sequence(output), pad_packed_sequence(expected), **EXACT)
        torch.testing.assert_close(finals, (h_n, c_n), **EXACT)


@pytest.mark.parametrize("backend", ["equations", "fused", "native"])
@pytest.mark.parametrize("batch_first", [False, True])
def test_a_trace_names_every_gate_of_every_layer_and_direction(backend: Any, batch_first: bool) -> None:
    lstm = GatedLSTM(E, H, 2, batch_first=batch_first, bidirectional=True, backend=backend).double()
    x = torch.randn(B, T, E).double() if batch_first else torch.randn(T, B, E).double()
    traces = lstm.trace(x, lengths=LENGTHS)
    assert list(traces) == ["l0", "l0_reverse", "l1", "l1_reverse"]
    states = lstm.states(x if batch_first else x.transpose(0, 1), LENGTHS)  # (B, T, D)
    valid = torch.arange(T) < LENGTHS[:, None]
    hidden = torch.cat([traces["l1"].hidden, traces["l1_reverse"].hidden], 2)
    hidden = hidden if batch_first else hidden.transpose(0, 1)
    torch.testing.assert_close(hidden[valid], states[valid], **EXACT)
    for step in traces.values():
        i, f, candidate, c, o, h = (part if batch_first else part.transpose(0, 1) for part in step)
        assert all((part[~valid] == 0).all() for part in (i, f, candidate, c, o, h))
        torch.testing.assert_close(h[valid], (o * c.tanh())[valid], **EXACT)
    step = traces["l0"]
    i, f, candidate, c, *_ = (part if batch_first else part.transpose(0, 1) for part in step)
    torch.testing.assert_close(c[1, 1:], (f * c.roll(1, 1) + i * candidate)[1, 1:], **EXACT)


def test_a_trained_nn_lstm_can_be_traced() -> None:
    lstm = nn.LSTM(E, H, num_layers=2, bidirectional=True).double().eval()
    x = torch.randn(T, B, E, dtype=torch.float64)
    traces = GatedLSTM.from_torch(lstm).trace(x)
    expected = lstm(x)[0]
    torch.testing.assert_close(torch.cat([traces["l1"].hidden, traces["l1_reverse"].hidden], 2), expected, **EXACT)


def test_an_nn_lstm_with_projections_has_no_counterpart() -> None:
    with pytest.raises(ValueError, match="proj_size=2"):
        GatedLSTM.from_torch(nn.LSTM(E, H, proj_size=2))


@pytest.mark.parametrize("bidirectional", [False, True])
def test_the_lstm_encoder_is_traced_as_the_gated_one_of_the_same_weights(bidirectional: bool) -> None:
    encoder = LSTMEncoder(E, H, num_layers=2, bidirectional=bidirectional).double()
    x = torch.randn(B, T, E, dtype=torch.float64)
    traces, states = encoder.trace(x, LENGTHS), encoder(x, LENGTHS)[0]
    hidden = torch.cat([step.hidden for name, step in traces.items() if name.startswith("l1")], 2)
    valid = torch.arange(T) < LENGTHS[:, None]
    assert len(traces) == (4 if bidirectional else 2)
    torch.testing.assert_close(hidden[valid], states[valid], **EXACT)


def test_auto_takes_the_fastest_backend_that_is_exact() -> None:
    x = torch.zeros(B, T, E)
    plain, changed = GatedLSTM(E, H, forget_bias=1.0), GatedLSTM(E, H, peepholes=True)
    assert plain._choose(x, ragged=False, finals=True) == "native"
    assert plain._choose(x, ragged=True, finals=False) == "native"
    assert plain._choose(x, ragged=True, finals=True) == "fused"
    assert changed._choose(x, ragged=False, finals=False) == "fused"
    assert changed._choose(x.to("meta"), ragged=False, finals=False) == "equations"


def test_a_backend_that_cannot_says_why() -> None:
    lstm = GatedLSTM(E, H, backend="native", batch_first=True)
    with pytest.raises(
        ValueError, match="native cannot give the final cell states of a ragged batch: use backend=auto"
    ):
        lstm(torch.zeros(B, T, E), lengths=LENGTHS)
    assert lstm.states(torch.zeros(B, T, E), LENGTHS).shape == (B, T, H)
    with pytest.raises(
        ValueError, match="fused runs on the CPU and on CUDA, and the input is on meta: use backend=auto"
    ):
        GatedLSTM(E, H, backend="fused")(torch.zeros(T, B, E, device="meta"))


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ((torch.zeros(T, B, E + 1),), "the input has 4 features a step, but input_size is 3"),
        ((torch.zeros(T, B, E), None, torch.tensor([7, 1, 1, 1])), "lengths must be 4 numbers from 0 to 6"),
        ((torch.zeros(T, B, E), None, torch.tensor([1, 1])), r"one a row, not \(2,\)"),
        ((torch.zeros(T, B, E), (torch.zeros(1, 2, H), torch.zeros(1, B, H))), r"h_0 must be \(1, 4, 5\), not \(1, 2, 5\)"),
    ],
)  # fmt: skip
def test_shapes_that_do_not_fit_are_refused(arguments: Any, sentence: str) -> None:
    with pytest.raises(ValueError, match=sentence):
        GatedLSTM(E, H)(*arguments)


def test_the_gated_encoder_takes_every_setting_of_a_cell() -> None:
    encoder = GatedEncoder(E, H, bidirectional=True, peepholes=True, backend="fused")
    assert encoder.recurrent.cell.settings == {"peepholes": True}
    assert encoder(torch.randn(B, T, E), LENGTHS)[0].shape == (B, T, 2 * H)
    assert list(encoder.trace(torch.randn(B, T, E), LENGTHS)) == ["l0", "l0_reverse"]


@torch.inference_mode()
def test_a_cell_can_be_made_where_nothing_is_differentiated() -> None:
    plan = GatedLSTM(E, H, peepholes=True).plan
    assert plan is not None
    assert ("h'", "c'") in plan.equations.jacobian


def test_a_cell_is_the_same_on_any_default_device() -> None:
    with torch.device("meta"):
        lstm = GatedLSTM(E, H, layer_norm=True, backend="fused")
    assert lstm.plan is not None
    assert lstm.plan.norms == ("c",)

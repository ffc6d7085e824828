from typing import Any

from gatelab.reports.runs import differing_keys, setting_cells


def config(encoder: str, seed: int, **more: Any) -> dict[str, Any]:
    settings = {"encoder._target_": f"gatelab.recurrent.{encoder}", "seed": seed, "data.split.seed": seed}
    return settings | {key.replace("__", "."): value for key, value in more.items()}


def test_few_differing_settings_have_a_column_each() -> None:
    configs = [config("LSTMEncoder", 1), config("GRUEncoder", 1)]
    titles, cells = setting_cells(configs, differing_keys(configs))
    assert titles == ["encoder"]
    assert cells == [("LSTMEncoder",), ("GRUEncoder",)]


def test_many_differing_settings_share_a_column_that_names_what_is_unusual_of_each_run() -> None:
    usual = {"encoder__peepholes": False, "encoder__chrono": None, "data__max_length": None, "trainer__max_epochs": 5}
    configs = [config("LSTMEncoder", seed) for seed in (1, 2, 3)]
    configs += [config("GatedEncoder", seed, **usual) for seed in (1, 2, 3, 4)]
    configs += [config("GatedEncoder", 1, **usual | {"encoder__peepholes": True, "trainer__max_epochs": 6})]
    configs += [config("GatedEncoder", 1, **usual | {"encoder__chrono": 32, "data__max_length": 9})]
    titles, cells = setting_cells(configs, differing_keys(configs))
    assert len(titles) == 1
    assert cells[0] == ("encoder=LSTMEncoder seed=1",)
    assert cells[3] == ("encoder=GatedEncoder seed=1",)
    assert cells[7] == ("encoder=GatedEncoder seed=1 peepholes=True max_epochs=6",)
    assert cells[8] == ("encoder=GatedEncoder seed=1 chrono=32 max_length=9",)


def test_a_setting_is_named_with_its_group_only_where_two_groups_have_it() -> None:
    configs = [
        config("LSTMEncoder", 1),
        config("LSTMEncoder", 1, encoder__dropout=0.1, model__dropout=0.2, data__max_length=9),
    ]
    titles, _ = setting_cells(configs, differing_keys(configs))
    assert titles == ["encoder.dropout", "model.dropout", "max_length"]

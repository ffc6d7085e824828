"""The configs as JSON Schema, for editors: from what ``check_config`` checks them with.

A YAML is a part of a config, so no key is required, and any value may be an interpolation. Rules between keys are left to
``check_config``.
"""

import math
import re
from functools import cache
from typing import Any

from omegaconf import OmegaConf
from pydantic import BaseModel, TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from gatelab.config.experiment import Experiment
from gatelab.config.schema import CONF_DIR, OF_MONITOR, Config, Optimizer, Trainer
from gatelab.config.signature import schema_of
from gatelab.config.targets import find_targets, locate

Schema = dict[str, Any]

GROUPS = ("callbacks", "data", "encoder", "model", "optimizer", "tokenizer", "tracker", "trainer")
NAMED = ("callbacks", "tracker")  # hold groups by names of the user's own
ALSO_CHECKED: dict[str, type[BaseModel]] = {"optimizer": Optimizer, "trainer": Trainer}  # beside the target's arguments
OF_HYDRA: Schema = {"defaults": {"type": "array"}}  # may stand in every YAML
INTERPOLATION: Schema = {"type": "string", "pattern": r"\$\{|^\?\?\?$"}
NULL: Schema = {"type": "null"}


def json_schema(group: str | None = None) -> Schema:
    """That of the YAMLs of one of GROUPS; of None that of an experiment or a complete config."""
    if group is not None:
        schema = of_group(group)
    else:
        schema = of_type(Config, "")
        schema["properties"] |= {name: of_group(name) for name in GROUPS if name != "tokenizer"}
        schema["properties"]["experiment"] = {"anyOf": [of_type(Experiment, ""), NULL]}
        schema["properties"] |= {**OF_HYDRA, "hydra": {"type": "object"}}
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema}


def of_group(group: str) -> Schema:
    if group == "tokenizer":
        keys = [data["properties"] for data in variants("data")]
        return {"anyOf": [of_data["tokenizer"] for of_data in keys if "tokenizer" in of_data]}
    if group in NAMED:
        named = {"anyOf": [of_target(group), NULL]}
        return {"type": "object", "properties": OF_HYDRA, "additionalProperties": named}
    return of_target(group)


def of_target(group: str) -> Schema:
    """The keys of one of the shipped targets, or of anything else that ``_target_`` names."""
    own = {"type": "string", "not": {"enum": targets_of(group)}}
    return {"anyOf": [*variants(group), {"type": "object", "required": ["_target_"], "properties": {"_target_": own}}]}


def variants(group: str) -> list[Schema]:
    schemas = []
    for target in targets_of(group):
        schema = of_type(schema_of(group, locate(f"{group}._target_", target), {}), group)
        keys = schema["properties"]
        if group in ALSO_CHECKED:
            keys |= of_type(ALSO_CHECKED[group], group)["properties"]
        if group == "callbacks":  # where null is the run's own
            keys |= {key: {"anyOf": [keys[key], NULL]} for key in OF_MONITOR if key in keys}
        if group == "encoder" and "cell" in keys:
            keys["cell"] = of_target("encoder.cell")
        schemas.append({**schema, "properties": {**keys, "_target_": {"const": target}, **OF_HYDRA}})
    return schemas


@cache
def targets_of(group: str) -> list[str]:
    """What the shipped YAMLs build at a place such as encoder or encoder.cell."""
    first, *inner = group.split(".")
    found = set()
    for file in (CONF_DIR / first).rglob("*.yaml"):
        for key, target in find_targets(OmegaConf.to_container(OmegaConf.load(file))):
            if first in NAMED or key.split(".")[:-1] == inner:
                found.add(target)
    return sorted(found)


def of_type(found: Any, group: str) -> Schema:
    """That of a type of pydantic's, without references, each key with the comment that it has in the group's YAMLs."""
    made = TypeAdapter(found).json_schema(schema_generator=Generator)
    schema = relaxed(made, made.get("$defs", {}))
    for key, comment in comments_of(group).items():
        if key in schema["properties"]:
            schema["properties"][key]["description"] = comment
    return schema


class Generator(GenerateJsonSchema):
    def handle_invalid_for_json_schema(self, schema: Any, error_info: str) -> Schema:
        return {}  # such as an object of Lightning's


def relaxed(node: Any, definitions: Schema) -> Any:
    """Without what a part of a config cannot fulfil, what JSON cannot say, and titles."""
    if isinstance(node, list):
        return [relaxed(item, definitions) for item in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        return relaxed(definitions[node["$ref"].rpartition("/")[2]], definitions)
    plain: Schema = {}
    for key, value in node.items():
        if key == "properties":
            plain[key] = {name: {"anyOf": [relaxed(keys, definitions), INTERPOLATION]} for name, keys in value.items()}
        elif key == "oneOf":  # without required keys several of them may fit
            plain["anyOf"] = relaxed(value, definitions)
        elif key not in ("$defs", "title", "description", "default", "required", "discriminator") and value != math.inf:
            plain[key] = relaxed(value, definitions)
    return plain


@cache
def comments_of(group: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for file in sorted((CONF_DIR / group).glob("*.yaml")):
        for key, comment in re.findall(r"^(\w+):.*?\s# (.+)$", file.read_text(encoding="utf-8"), re.MULTILINE):
            found.setdefault(key, comment)
    return found

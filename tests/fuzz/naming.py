"""The small study with a name of the user's choice in one of the places that take one."""

from __future__ import annotations

import json

import yaml

from search_spaces.yaml12 import Dumper, read_yaml


def named(text: str, key: str, name: str) -> str:
    """A study's text with its name, its model, its domain's folder or its curriculum replaced."""
    data = json.loads(json.dumps(read_yaml(text, "source").data))
    if key == "name":
        data["name"] = name
    elif key == "model":
        data["factors"]["model"] = name
    elif key == "folder":
        data["domain"] = {"kind": "algorithms", "folder": name}
    else:
        data["factors"]["curriculum"] = name
        data["curricula"] = {name: [{"documents": [{"kind": "targets", "share": 1}]}]}
    return str(yaml.dump(data, Dumper=Dumper, sort_keys=False, allow_unicode=True))

"""Hints of models that were trained elsewhere: what provokes each."""

from __future__ import annotations

from support.shell import Case

ADOPT = "adopt big --arch resnet14 --weights runs/teacher/weights.safetensors --accept-accuracy"

ADOPTION = [
    Case(
        "check the order of its classes and its preprocessing, or add --accept-accuracy",
        "options",
        "adopt low --arch plain2 --weights runs/ta1/weights.safetensors --mean 9 --std 0.001",
    ),
    Case(
        "adopt it under another name, or add --fresh, which moves what is there to aside/",
        "options",
        f"{ADOPT} --mean 0.3",
        lambda shell: shell.ok(ADOPT),
    ),
]

"""The library in ten lines, on a network, loaders and a loop of the user's: run as a script."""

from __future__ import annotations

import sys
from pathlib import Path

import torch
from shapes import loader, train, trained

import edgekit as ek

net = trained()
before = {name: value.clone() for name, value in net.state_dict().items()}
train_loader = loader(192, seed=1, shuffle=True)
test_loader = loader(90, seed=2)

model = ek.load(net, example_input=torch.zeros(1, 1, 8, 8))
data = ek.Data(train=train_loader, test=test_loader)
# Half of the operations, so that int8 alone does not keep the budget, however fast it is here.
budget = ek.Budget(latency_ms=20, mmacs=0.08, accuracy_drop=0.2)
plan = ek.plan(model, data, target="raspberrypi4", budget=budget)
student = ek.prune(model, plan)
if sys.argv[1:] == ["own-loop"]:
    train(student.module, train_loader, epochs=2)
else:
    student = ek.distill(student, teacher=model, data=data, epochs=2)
files = ek.export(
    student, target="raspberrypi4", precisions=["fp32", "int8"], calibration=data
)
report = ek.benchmark(files, baseline=model, data=data)
bundle = ek.build(model, data, target="raspberrypi4", budget=budget, out="build/")

assert not net.training
assert all(torch.equal(before[name], v) for name, v in net.state_dict().items())
assert student.parameters < 0.7 * model.parameters
assert ek.evaluate(student, data).value > 0.9
assert {one.artifact.precision for one in report} == {"fp32", "int8"}
for one in report:
    assert one.speedup is not None, one
    assert one.evaluation is not None, one
    assert one.evaluation.value > 0.9, one
assert {verdict.name: verdict.verdict for verdict in bundle.report.verdicts} == {
    "latency_ms": "unproven",
    "accuracy_drop": "fits",
    "mmacs": "fits",
}
assert (Path("build") / "report.html").is_file()
assert bundle.student.parameters < model.parameters

"""The tables of docs/performance.md, README.md and docs/why-77.md."""

import json

from benchmarks import performance
from benchmarks.cluster import scaling
from benchmarks.harness.markdown import README, rewrite
from benchmarks.speed import epoch, memory, training

ENVIRONMENT = {
    "processor": "a processor",
    "cores": 2,
    "threads": 2,
    "flags": ["avx2"],
    "load_before": 0.25,
    "versions": {"python": "3.11", "numpy": "2.0"},
    "date": "2026-01-02",
}
CASE = {
    "net": "resnet20",
    "batch_size": 128,
    "precision": "bfloat16",
    "images_per_second": {
        "project": {"median": 1350.0, "min": 1200, "max": 1500},
        "torch float32": {"median": 800.0, "min": 800, "max": 800},
        "torch bfloat16": {"median": 400.0, "min": 400, "max": 400},
    },
    "share_of_ceiling": {"project": 0.54, "torch float32": 0.64, "torch bfloat16": 0.16},
    "best_peer": "torch float32",
    "rates": {"project": [1200.0, 1500.0], "torch float32": [800.0, 800.0], "torch bfloat16": [400.0, 400.0]},
}


def test_the_document_has_the_tables_of_the_committed_results(tmp_path):
    copy = tmp_path / "performance.md"
    copy.write_text(performance.DOCUMENT.read_text(encoding="utf-8"), encoding="utf-8")
    for name, content in performance.parts():
        rewrite(copy, name, content)
    assert copy.read_text() == performance.DOCUMENT.read_text(), "run: python -m benchmarks performance"
    assert performance.summary() in README.read_text(), "run: python -m benchmarks performance"
    simulated = performance.part("workers", scaling.simulated_table)
    assert simulated in performance.SCALE.read_text(), "run: python -m benchmarks performance"
    assert performance.why77_part() in performance.WHY77.read_text(), "run: python -m benchmarks performance"


AVX2 = {**ENVIRONMENT, "flags": ["avx2", "avx512_bf16"], "played": "avx2", "kernels": "oneDNN"}
AVX512 = {**ENVIRONMENT, "flags": ["avx2", "avx512_bf16"]}


def test_the_summary_has_the_least_and_the_largest_median_of_each_processor(monkeypatch, tmp_path):
    monkeypatch.setattr(performance, "RESULTS", tmp_path)
    (tmp_path / "avx2").mkdir()
    faster = {**CASE, "rates": {"project": [3.0], "torch bfloat16": [1.5], "keras bfloat16": [4.0]}}
    single = {"project": [3.0], "torch float32": [2.0], "keras float32": [1.0], "keras float32 oneDNN": [4.0]}
    played = {**CASE, "precision": "float32", "rates": single}
    for path, cases, found in (
        (tmp_path / "training.json", [CASE, faster], AVX512),
        (tmp_path / "avx2" / "training-net.json", [played], AVX2),
    ):
        path.write_text(json.dumps({"cases": cases, "environment": found}))
    assert performance.summary().splitlines() == [
        "| images/s, project / peer | processor | PyTorch | Keras | Keras with oneDNN on |",
        "| --- | --- | --- | --- | --- |",
        "| a training step, bfloat16 | avx512_bf16 | 1.69 to 2.00 | 0.75 |  |",
        "| a training step, float32 | avx2 | 1.50 | 3.00 | 0.75 |",
    ]


def test_a_row_of_a_processor_with_only_avx2():
    rates = {"project": 300.0, "torch float32": 250.0, "keras float32": 150.0, "keras float32 oneDNN": 280.0}
    case = {
        **CASE,
        "precision": "float32",
        "images_per_second": {name: dict.fromkeys(("median", "min", "max"), r) for name, r in rates.items()},
        "rates": {name: [r] for name, r in rates.items()},
        "share_of_ceiling": {"project": 0.6},
        "best_peer": "keras float32 oneDNN",
    }
    figures = {"ceiling_gflops": {}, "cases": [case], "environment": AVX2}
    head, _, row = training.table(figures).splitlines()[-3:]
    assert head.endswith("| to PyTorch | to Keras | to Keras with oneDNN on | goal |")
    # the goal is to PyTorch: 1.05 * 250 / 300 * 60%
    assert row == (
        "| resnet20 | 128 | float32 | 300 (60% of the limit) | 1.20 (1.20 to 1.20) float32 "
        "| 2.00 (2.00 to 2.00) float32 | 1.07 (1.07 to 1.07) float32 oneDNN | 1.05 (52% of the limit) |"
    )


def test_a_training_row():
    ceilings = {
        "float32": {"tensorflow": 100.0, "torch": 90.0},
        "bfloat16": {"tensorflow": 200.0, "torch": 210.0},
    }
    text = training.table({"ceiling_gflops": ceilings, "cases": [CASE], "environment": AVX512})
    assert "float32 100 GFLOP/s, bfloat16 210 GFLOP/s" in text
    assert text.splitlines()[-1] == (
        "| resnet20 | 128 | bfloat16 | 1,350 (54% of the limit) | 1.69 (1.50 to 1.88) float32 |  "
        "| 1.5 (48% of the limit) |"
    )


def test_without_a_peer_there_is_no_ratio():
    alone = {
        **CASE,
        "images_per_second": {"project": CASE["images_per_second"]["project"]},
        "rates": {"project": [1.0]},
        "best_peer": None,
    }
    figures = {"ceiling_gflops": {}, "cases": [{**alone, "net": "alexnet"}], "environment": AVX512}
    text = training.table(figures)
    assert text.splitlines()[-1].endswith("|  |  | 1.3 |")


def test_the_number_of_measurements_is_reported():
    said = performance.machine({"environment": ENVIRONMENT, "options": {"rounds": 3, "seconds": 2.5}})
    assert said.endswith("2026-01-02; 3 rounds of 2.5 s; load before 0.2.")


def test_the_page_says_what_the_run_ran_on():
    assert performance.machine({"environment": ENVIRONMENT}) == (
        "a processor, 2 cores, 2 threads, avx2; python 3.11, numpy 2.0; 2026-01-02; load before 0.2."
    )


def test_limits_and_skipped_precisions_are_reported():
    said = performance.machine({"environment": AVX2, "left_out_precisions": {"bfloat16": "it is emulated"}})
    limited = "limited to avx2 (it has avx2, avx512_bf16), oneDNN kernels in TensorFlow"
    assert said.startswith(f"a processor, 2 cores, 2 threads, {limited}; ")
    assert said.endswith("load before 0.2. bfloat16 is left out: it is emulated.")


def test_a_missing_file_says_how_to_make_it(monkeypatch, tmp_path):
    monkeypatch.setattr(performance, "RESULTS", tmp_path)
    found = dict(performance.parts())
    assert found.keys() == performance.TABLES.keys()
    assert found["start"] == (
        "Not measured yet: `python -m benchmarks start --output benchmarks/results/start.json`."
    )
    assert "`python -m benchmarks transfer --data-dir DIR --output" in found["transfer"]


def test_a_part_has_a_table_for_each_of_its_files(monkeypatch, tmp_path):
    monkeypatch.setattr(performance, "RESULTS", tmp_path)
    found = {"recipe": "digits", "epochs": None, "seeds": [0, 1], "difference": -0.0125}
    for recipe, epochs in (("digits", None), ("a-recipe", 3)):
        accuracies = {"float32": [0.5, 0.75], "bfloat16": [0.625, 0.6]}
        figures = {**found, "recipe": recipe, "epochs": epochs, "accuracies": accuracies}
        path = tmp_path / f"precision-{recipe}.json"
        path.write_text(json.dumps({**figures, "environment": ENVIRONMENT}))
    lines = dict(performance.parts())["precision"].splitlines()
    assert lines[2:8] == [
        "| recipe | epochs | precision | seed 0 | seed 1 |",
        "| --- | --- | --- | --- | --- |",
        "| a-recipe | 3 | float32 | 0.5000 | 0.7500 |",
        "| a-recipe | 3 | bfloat16 | 0.6250 | 0.6000 |",
        "",
        "The mean of bfloat16 minus that of float32: -0.0125.",
    ]
    assert lines[0].startswith("a processor, 2 cores")
    assert "| digits | all | float32 | 0.5000 | 0.7500 |" in lines


def test_memory_is_reported_in_megabytes_or_with_the_reason_why_it_is_unknown():
    row = {"contestant": "project", "precision": "float32", "peak_bytes": 1_234_567_890}
    failed = {"contestant": "torch", "precision": "float32", "left_out": "no such module"}
    assert memory.table({"peaks": [row, failed]}).splitlines()[2:] == [
        "| project | float32 | 1,235 |",
        "| torch | float32 | no such module |",
    ]


def test_growth_is_reported_over_all_sizes_and_the_two_largest():
    row = {"size": 1000, "images_per_second": 500.0, "seconds": 2.0, "peak_bytes": 3e6}
    found = {
        "rows": [row],
        "exponents": {"seconds": 0.5, "peak_bytes": 0.0},
        "last_exponents": {"seconds": 1.0, "peak_bytes": 0.25},
    }
    assert performance.scaling_table({"sweeps": {"files": found}}).splitlines()[2:] == [
        "| files | 1,000 | 500 | 2 | 3 |",
        "| files | exponent |  | 0.50 | 0.00 |",
        "| files | of the two largest |  | 1.00 | 0.25 |",
    ]


def test_the_table_compares_an_epoch_with_a_bare_step_and_pytorch():
    rates = {
        "project": [30.0, 36.0],
        epoch.BARE: [40.0, 40.0],
        "torch": [20.0, 20.0],
        "torch, batches ahead": [30.0, 24.0],
    }
    found = {"rates": rates, "images_per_second": {"project": {"median": 33.0}}, "precision": "float32"}
    row = epoch.table({"recipes": {"digits": found}}).splitlines()[-1]
    assert row == "| digits, float32 | 33 | 0.82 (0.75 to 0.90) | 0.97 | 1.25 (1.00 to 1.50) batches ahead |"
    del rates[epoch.BARE], rates["torch, batches ahead"]
    row = epoch.table({"recipe": "digits", **found, "precision": "bfloat16"}).splitlines()[-1]
    assert row == "| digits, on CIFAR-10 | 33 |  |  | 1.65 (1.50 to 1.80) |"

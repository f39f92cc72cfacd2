from benchmarks.detection import summary


def test_the_chosen_file_is_compared_with_the_network_of_its_build() -> None:
    network = {"learned_from": "labeled", "file": "network", "map50": 0.7}
    network["map50_95"] = 0.5
    small = {**network, "file": "small", "map50": 0.69, "speedup": 2.5}
    rows = [network, small, {**small, "file": "tiny", "map50": 0.68, "chosen": True}]
    found = summary([*rows, {**network, "learned_from": "unlabeled", "map50": 0.9}])
    assert found == {
        "labeled": {
            "file": "tiny",
            "speedup": 2.5,
            "map50_lost": 0.02,
            "map50_95_lost": 0.0,
        }
    }

from edgekit.decoders.trial import SpeedJob


def test_no_timed_prompt_begins_as_one_before_it() -> None:
    prompts = list(SpeedJob(prompt=[7, 8, 9, 10], count=2, repeats=3).prompts())
    assert len(prompts) == 4  # one more goes before the timed ones
    assert len({tuple(one[:1]) for one in prompts}) == 4
    assert all(sorted(one) == [7, 8, 9, 10] for one in prompts)
    assert prompts[-1] == [7, 8, 9, 10]


def test_a_prompt_of_one_token_is_repeated() -> None:
    assert list(SpeedJob(prompt=[7], count=2, repeats=2).prompts()) == [[7], [7], [7]]

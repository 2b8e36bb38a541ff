"""Metrics pages of four engines, as others recorded them, in the words of all."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from joulecast.profiler.serving.scrape import ServerState, figures_of, metrics_url, state_of
from joulecast.profiler.serving.scrape_text import Sample, parse
from tests.fakes import scrapes


def changed(page: str, name: str, value: float) -> str:
    """The page with another value in every line of `name`."""
    lines = page.splitlines()
    return "\n".join(
        f"{line.rpartition(' ')[0]} {value}" if line.startswith(name) else line for line in lines
    )


def test_vllm_s_page_is_read() -> None:
    """The prefix cache of other instances and histograms are not taken for the batch's own."""
    state = state_of(scrapes.VLLM, 1.0)
    assert state.engine == "vllm"
    assert (state.running, state.waiting, state.kv_used_frac) == (0.0, 0.0, 0.0)
    assert (state.prefix_queries, state.prefix_hits) == (117.0, 64.0)
    assert state.preemptions == 0.0


def test_old_and_new_names_side_by_side_count_once() -> None:
    """VLLM 0.10 tells both spellings: the new one is taken, none is added to the other."""
    page = scrapes.VLLM_0_10.replace("hits_total", "queries_total") + scrapes.VLLM_0_10
    state = state_of(page, 0.0)
    assert state.prefix_queries == 32.0
    assert state.prefix_hits == 0.0
    assert state.kv_used_frac == pytest.approx(9.75e-6, rel=1e-3)


def test_vllm_s_first_engine_says_minus_one_for_a_cache_that_is_off() -> None:
    """That is no hit rate."""
    state = state_of(scrapes.VLLM_V0, 0.0)
    assert state.hit_frac is None
    on = changed(scrapes.VLLM_V0, "vllm:gpu_prefix_cache_hit_rate", 0.62)
    assert figures_of([state_of(on, 0.0)]).cache_hit_frac == 0.62


def test_sglang_s_page_is_read() -> None:
    """Batch, queue and its own mean of the hit rate, where it does not count cached tokens."""
    state = state_of(scrapes.SGLANG, 0.0)
    assert state.engine == "sglang"
    assert (state.running, state.waiting, state.kv_used_frac) == (162.0, 2826.0, 0.28)
    assert figures_of([state]).cache_hit_frac == pytest.approx(0.0075, rel=1e-2)


def test_sglang_s_counters_give_the_hit_rate_of_the_window() -> None:
    """600 of 1,000 prompt tokens were cached in between, whatever was before."""
    cached = 'sglang:cached_tokens_total{model_name="meta-llama/Llama-3.1-8B-Instruct"} '
    first = state_of(scrapes.SGLANG + cached + "2688", 0.0)
    page = changed(scrapes.SGLANG, "sglang:prompt_tokens_total", 8128902 + 1000)
    last = state_of(page + "\n" + cached + "3288", 60.0)
    assert figures_of([first, last]).cache_hit_frac == pytest.approx(0.6)


def test_a_gateway_s_spelling_with_underscores_is_the_same() -> None:
    """SGLang's own router turns the colons into underscores."""
    told = scrapes.SGLANG.replace("sglang:", "sglang_")
    assert state_of(told, 0.0) == state_of(scrapes.SGLANG, 0.0)


def test_percent_of_early_sglang_becomes_a_share() -> None:
    """87.6 is a percentage, as no share can be."""
    assert state_of(scrapes.SGLANG_2024, 0.0).hit_frac == pytest.approx(0.8759, rel=1e-3)


def test_llama_cpp_counts_only_computed_prompt_tokens() -> None:
    """57 from the cache beside 143 computed are 57 of 200 looked up."""
    page = scrapes.LLAMA_CPP + "llamacpp:prompt_tokens_cached_total 57\n"
    state = state_of(page, 0.0)
    assert state.engine == "llama.cpp"
    assert (state.prefix_queries, state.prefix_hits) == (200.0, 57.0)
    assert state_of(scrapes.LLAMA_CPP, 0.0).prefix_queries is None
    assert (state.running, state.waiting, state.kv_used_frac) == (None, None, None)


def test_text_generation_inference_s_page_is_read() -> None:
    """Gauges without labels."""
    state = state_of(scrapes.TGI, 0.0)
    assert (state.engine, state.running, state.waiting) == ("tgi", 0.0, 0.0)


def test_what_is_not_told_is_none() -> None:
    """A page of something else, and none at all."""
    assert state_of("up 1\n", 3.0) == ServerState(3.0)
    assert figures_of([]).running_mean is None
    assert figures_of([ServerState(0.0), ServerState(1.0)]).cache_hit_frac is None


def test_figures_are_means_of_gauges_and_differences_of_counters() -> None:
    """Three looks at one server."""
    looks = [
        ServerState(0.0, "vllm", 2.0, 0.0, 0.1, 1000.0, 100.0, 5.0),
        ServerState(1.0, "vllm", 4.0, 3.0, 0.2, 1200.0, 200.0, 5.0),
        ServerState(2.0, "vllm", 6.0, 6.0, 0.3, 1400.0, 300.0, 7.0),
    ]
    figures = figures_of(looks)
    assert (figures.running_mean, figures.waiting_mean) == (4.0, 3.0)
    assert figures.kv_used_frac == pytest.approx(0.2)
    assert figures.cache_hit_frac == pytest.approx(0.5)
    assert figures.preemptions == 2


def test_counters_of_a_server_started_anew_are_not_known() -> None:
    """A fall is no negative count."""
    before, after = state_of(scrapes.VLLM, 0.0), state_of(scrapes.VLLM, 1.0)
    figures = figures_of([before, replace(after, prefix_queries=3.0, preemptions=None)])
    assert figures.cache_hit_frac is None
    assert figures.preemptions is None


def test_counters_that_overtook_their_start_after_a_reset_are_not_known_either() -> None:
    """900 of 1,000, a restart, then 500 of 4,000: the ends alone would tell of no hits at all."""
    looks = [
        ServerState(0.0, prefix_queries=1000.0, prefix_hits=900.0, preemptions=3.0),
        ServerState(1.0, prefix_queries=100.0, prefix_hits=0.0, preemptions=0.0),
        ServerState(2.0, prefix_queries=4000.0, prefix_hits=950.0, preemptions=4.0),
    ]
    figures = figures_of(looks)
    assert (figures.cache_hit_frac, figures.preemptions) == (None, None)


def test_one_look_counts_nothing() -> None:
    """A server too busy to tell more did not tell that there were no preemptions."""
    assert figures_of([state_of(scrapes.VLLM, 0.0)]).preemptions is None


def test_a_page_cut_short_in_between_costs_nothing() -> None:
    """The looks around it tell the difference."""
    looks = [
        ServerState(0.0, prefix_queries=100.0, prefix_hits=10.0),
        ServerState(1.0),
        ServerState(2.0, prefix_queries=200.0),
        ServerState(3.0, prefix_queries=300.0, prefix_hits=110.0),
    ]
    assert figures_of(looks).cache_hit_frac == pytest.approx(0.5)


def test_no_lookups_are_no_hit_rate() -> None:
    """Nothing of nothing is not 0."""
    state = state_of(scrapes.VLLM, 0.0)
    assert figures_of([state, state]).cache_hit_frac is None


def test_engines_add_up_and_ranks_of_one_engine_do_not() -> None:
    """Data-parallel engines hold other requests; tensor-parallel ranks repeat the same."""
    page = "\n".join(
        f'sglang:num_running_reqs{{dp_rank="{dp}",tp_rank="{tp}"}} {3 + dp}'
        for dp in (0, 1)
        for tp in (0, 1)
    )
    assert state_of(page, 0.0).running == 7.0
    shares = 'vllm:kv_cache_usage_perc{engine="0"} 0.2\nvllm:kv_cache_usage_perc{engine="1"} 0.4'
    assert state_of(shares, 0.0).kv_used_frac == pytest.approx(0.3)


def test_only_the_model_asked_for_counts() -> None:
    """A server of two models."""
    other = scrapes.VLLM.replace("facebook/opt-125m", "other").replace(" 117.0", " 9000.0")
    assert state_of(scrapes.VLLM + other, 0.0, "facebook/opt-125m").prefix_queries == 117.0
    assert state_of(scrapes.VLLM, 0.0, "an alias").prefix_queries == 117.0


def test_a_malformed_line_costs_itself_only() -> None:
    """Cut short, without a value, with a quote left open, with words instead of numbers."""
    page = 'a{x="1\n# HELP a b\nb{ 3\nc\nd nope\n' + scrapes.VLLM
    assert state_of(page, 0.0) == state_of(scrapes.VLLM, 0.0)


def test_quotes_and_braces_in_labels_are_read() -> None:
    """As the format escapes them, with a time behind the value."""
    (sample,) = parse(r'a{x="say \"}\" \\ {now}",y="2"} 1.5e3 1700000000000')
    assert sample == Sample("a", 1500.0, {"x": 'say "}" \\ {now}', "y": "2"})


@given(st.text(max_size=300))
def test_no_page_raises(page: str) -> None:
    """Whatever a server answers, the parser returns."""
    assert all(isinstance(s.value, float) for s in parse(page))


@pytest.mark.parametrize(
    ("url", "metrics"),
    [
        ("http://127.0.0.1:8000/v1", "http://127.0.0.1:8000/metrics"),
        ("http://127.0.0.1:8000/v1/", "http://127.0.0.1:8000/metrics"),
        ("https://host/route/v1", "https://host/route/metrics"),
        ("http://host:8080", "http://host:8080/metrics"),
    ],
)
def test_the_metrics_are_beside_the_interface(url: str, metrics: str) -> None:
    """All four engines have them at the root of the server."""
    assert metrics_url(url) == metrics

from __future__ import annotations

import dataclasses
import re

import pytest

from dovetail.isa.config import Config, ConfigError, load_config, preset_names


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"batch": 3}, "batch must be a power of two, not 3"),
        ({"batch": 32}, "batch must be between 1 and 16, not 32"),
        ({"batch": True}, "batch must be an integer, not True"),
        ({"batch": 1.0}, "batch must be an integer, not 1.0"),
        ({"block_in": 2}, "block_in must be between 4 and 64, not 2"),
        ({"block_out": 128}, "block_out must be between 4 and 64, not 128"),
        ({"inp_depth": 8}, "inp_depth must be between 16 and 65536, not 8"),
        ({"wgt_depth": 1000}, "wgt_depth must be a power of two, not 1000"),
        ({"acc_depth": 0}, "acc_depth must be between 16 and 65536, not 0"),
        ({"uop_depth": 1 << 17}, "uop_depth must be between 16 and 65536, not 131072"),
        ({"out_lanes": 0}, "out_lanes must be between 1 and 64, not 0"),
        ({"out_lanes": 32}, "out_lanes must be at most block_out (16), not 32"),
        ({"out_lanes": 16, "bus_bits": 64}, "out_lanes must be at most the bus's bytes (8), not 16"),
        ({"bus_bits": 32}, "bus_bits must be between 64 and 128, not 32"),
        ({"burst_beats": 512}, "burst_beats must be between 1 and 256, not 512"),
        ({"bus_bits": 128, "burst_beats": 256, "max_bursts": 0}, "max_bursts must be between 1 and 64, not 0"),
        ({"queue_depth": 1}, "queue_depth must be between 2 and 256, not 1"),
        ({"token_depth": 3}, "token_depth must be a power of two, not 3"),
        ({"mul_stages": 0}, "mul_stages must be between 1 and 4, not 0"),
        ({"add_stages": 5}, "add_stages must be between 0 and 4, not 5"),
        (
            {"inp_depth": 65536, "acc_depth": 65536, "wgt_depth": 65536, "uop_depth": 65536},
            "GEMM needs 162 bits with these depths (inp_depth=65536, wgt_depth=65536, acc_depth=65536, "
            "uop_depth=65536); the limit is 128",
        ),
    ],
)
def test_a_bad_field_is_named_with_its_value_and_the_limit(fields, message):
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        Config(**fields)


def test_every_preset_loads():
    assert preset_names() == ["batch8", "default", "large", "narrow", "small", "tiny"]
    assert len({load_config(name).fingerprint for name in preset_names()}) == 6
    assert load_config("default") == Config()


def test_sizes_that_follow_are_those_of_the_reference_machine():
    config = load_config("default")
    assert (config.inp_bytes, config.wgt_bytes, config.acc_bytes, config.out_bytes) == (16, 256, 64, 16)
    assert (config.uop_bytes, config.param_bytes, config.macs_per_cycle) == (4, 256, 256)
    assert (config.acc_index_bits, config.src_index_bits, config.wgt_index_bits) == (11, 12, 9)


def test_the_fingerprint_differs_with_every_field():
    base = Config()
    doubled = {"batch", "block_in", "block_out", "inp_depth", "wgt_depth", "acc_depth", "uop_depth", "burst_beats"}
    changed = [
        dataclasses.replace(base, **{field.name: value * 2 if field.name in doubled else value // 2 or value + 1})
        for field in dataclasses.fields(Config)
        for value in [getattr(base, field.name)]
    ]
    assert len({config.fingerprint for config in [base, *changed]}) == len(dataclasses.fields(Config)) + 1


def test_differences_name_the_fields():
    assert Config().differences(Config(queue_depth=8, add_stages=1)) == [
        "queue_depth is 16, not 8",
        "add_stages is 4, not 1",
    ]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("batch = 3", "batch must be a power of two, not 3"),
        ("depth = 3", "unknown field 'depth'; the fields are acc_depth, add_stages, "),
        ("batch =", "not TOML: "),
    ],
)
def test_errors_of_a_file_begin_with_its_path(tmp_path, content, message):
    path = tmp_path / "mine.toml"
    path.write_text(content)
    with pytest.raises(ConfigError, match=f"^{re.escape(f'{path}: {message}')}"):
        load_config(path)


def test_an_unknown_preset_lists_those_there_are(tmp_path):
    with pytest.raises(
        ConfigError, match="no configuration 'huge'; use one of batch8, default, large, narrow, small, tiny, or "
    ):
        load_config("huge")
    with pytest.raises(ConfigError, match=r"absent\.toml: No such file or directory"):
        load_config(tmp_path / "absent.toml")

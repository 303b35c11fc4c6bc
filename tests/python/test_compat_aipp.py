# SPDX-License-Identifier: MIT
"""Dynamic AIPP through the older packages, on the simulated Ascend device, against numpy and ONNX Runtime."""

from compat import HOME, each_engine, no_complaints, nothing_left, pairs, opened, raw, reference  # noqa: F401

import configparser

import aipp
import ascend
import numpy as np
import pytest
import test_acl_aipp

pytestmark = ascend.needed

HEIGHT, WIDTH, BATCH = 6, 10, 2
SETTINGS = {
    **aipp.size(HEIGHT, WIDTH),
    "rbuv_swap_switch": 1,
    **{f"mean_chn_{i}": 10 * i + 1 for i in range(4)},
    **{f"min_chn_{i}": 0.5 * i for i in range(4)},
    **{f"var_reci_chn_{i}": 0.0625 * (i + 1) for i in range(4)},
}


@pytest.fixture(scope="module")
def image_models():
    """The model without AIPP, for the reference, and with it."""
    directory = HOME / "aipp"
    directory.mkdir(exist_ok=True)
    plain = test_acl_aipp.image_model(directory / "images.onnx", 3)
    return plain, test_acl_aipp.convert(directory, plain, test_acl_aipp.shape_of(3, HEIGHT, WIDTH, BATCH))


def images():
    count = aipp.bytes_of_image("RGB888_U8", HEIGHT, WIDTH)
    return np.random.default_rng(5).integers(0, 256, (BATCH, count), np.uint8)


def expected(path, pixels, settings=SETTINGS):
    """Both outputs, by numpy and ONNX Runtime."""
    wanted = {**aipp.DEFAULTS, **settings}
    x = np.stack([aipp.reference("RGB888_U8", image, wanted, 3, "float32") for image in pixels]).transpose(0, 3, 1, 2)
    return reference(path, [x, test_acl_aipp.BIAS_VALUES])


def check(session, path, settings=SETTINGS):
    pixels = images()
    outputs = session.infer([pixels, test_acl_aipp.BIAS_VALUES])
    for got, want in pairs(outputs, expected(path, pixels, settings)):
        np.testing.assert_allclose(got, want, rtol=1e-4, atol=2e-3)


def config_file(tmp_path, settings=SETTINGS):
    return test_acl_aipp.write_config(tmp_path / "a.config", "RGB888_U8", settings)


def test_a_file(opened, image_models, tmp_path):
    plain, om = image_models
    session = opened("acl", path=str(om))
    assert session.get_dym_aipp_input_exist() == 1 and session.check_dym_aipp_input_exist() == 0
    with pytest.raises(RuntimeError, match="AIPP"):
        session.infer([images(), test_acl_aipp.BIAS_VALUES])
    assert session.load_aipp_config_file(str(config_file(tmp_path)), BATCH) == 0
    assert [d.name for d in session.get_inputs()] == ["x", "bias"]
    assert session.get_inputs()[0].realsize == images().nbytes
    check(session, plain)


def test_groups_of_a_file(opened, image_models, tmp_path):
    plain, om = image_models
    session = opened("acl", path=str(om))
    config = configparser.ConfigParser()
    config.read(config_file(tmp_path))
    options = config.options("aipp_op")
    assert session.aipp_set_input_format(config) == session.aipp_set_src_image_size(config) == 0
    for name in ("rbuv_swap_switch", "ax_swap_switch", "csc_params", "crop_params", "padding_params", "dtc_pixel_mean",
                 "dtc_pixel_min", "pixel_var_reci"):
        assert getattr(session, f"aipp_set_{name}")(config, options) == 0
    assert session.session.aipp_set_max_batch_size(BATCH) == session.session.set_dym_aipp_info_set() == 0
    check(session, plain)
    config["aipp_op"]["mean_chn_1"] = "many"
    with pytest.raises(RuntimeError, match="mean_chn_1.*many"):
        session.aipp_set_dtc_pixel_mean(config, options)
    with pytest.raises(RuntimeError, match="aipp_op"):
        session.aipp_set_crop_params(configparser.ConfigParser())


def test_one_by_one(opened, image_models):
    plain, om = image_models
    session = opened("acl", path=str(om))
    runtime = session.session
    assert runtime.aipp_set_max_batch_size(BATCH) == 0
    assert runtime.aipp_set_input_format("RGB888_U8") == 0
    assert runtime.aipp_set_src_image_size([WIDTH, HEIGHT]) == 0
    assert runtime.aipp_set_rbuv_swap_switch(1) == runtime.aipp_set_ax_swap_switch(0) == 0
    assert runtime.aipp_set_csc_params([0] * 16) == 0
    assert runtime.aipp_set_crop_params([0] * 5) == runtime.aipp_set_padding_params([0] * 5) == 0
    assert runtime.aipp_set_dtc_pixel_mean([1, 11, 21, 31]) == 0
    assert runtime.aipp_set_dtc_pixel_min([0.0, 0.5, 1.0, 1.5]) == 0
    assert runtime.aipp_set_pixel_var_reci([0.0625, 0.125, 0.1875, 0.25]) == 0
    assert runtime.set_dym_aipp_info_set() == 0
    check(session, plain)
    other = {**SETTINGS, **{f"mean_chn_{i}": 7 for i in range(4)}}
    assert runtime.aipp_set_dtc_pixel_mean([7, 7, 7, 7]) == runtime.set_dym_aipp_info_set() == 0
    check(session, plain, other)


BAD = {
    "max_batch_size": [0, -1, 1.5, "2", None],
    "input_format": ["RGB", "", None, 3, b"RGB888_U8"],
    "src_image_size": [[1, 10], [10, 0], [4097, 10], [10, 4097], [10], [10, 10, 10], 7, None, "12", [2.5, 3]],
    "rbuv_swap_switch": [2, -1, "1", None, 0.5],
    "ax_swap_switch": [2, -1, [1]],
    "csc_params": [[2] + [0] * 15, [1, 32677] + [0] * 14, [1, -32678] + [0] * 14, [0] * 15, [1] + [0] * 9 + [256] + [0] * 5,
                   [1] + [0] * 14 + [-1], None],
    "crop_params": [[1, -1, 0, 5, 5], [1, 4096, 0, 1, 1], [1, 0, 0, 0, 5], [1, 0, 0, 4097, 5], [2, 0, 0, 1, 1], [1, 2]],
    "padding_params": [[1, 33, 0, 0, 0], [1, 0, 0, 0, -1], [2, 0, 0, 0, 0], [1]],
    "dtc_pixel_mean": [[256, 0, 0, 0], [0, 0, 0, -1], [0] * 3, [0.5] * 4],
    "dtc_pixel_min": [[255.5, 0, 0, 0], [0, -0.5, 0, 0], [float("nan")] * 4, ["1"] * 4],
    "pixel_var_reci": [[65505.0, 0, 0, 0], [0, 0, 0, -65505], [float("inf")] * 4, [1.0] * 5],
}


@pytest.mark.parametrize("name", BAD)
def test_out_of_range(raw, image_models, name):
    session = raw("acl", path=image_models[1])
    for value in BAD[name]:
        with pytest.raises(RuntimeError):
            getattr(session, f"aipp_set_{name}")(value)
    with pytest.raises(RuntimeError):
        session.set_dym_aipp_info_set()


def test_wrong_files(opened, image_models, tmp_path):
    session = opened("acl", path=str(image_models[1]))
    good = config_file(tmp_path)
    (tmp_path / "b.config").write_text(good.read_text().replace("mean_chn_0 : 1", "mean_chn_0 : 256"))
    (tmp_path / "c.config").write_text("[other]\n")
    for path, text in (("b.config", "mean_chn_0.*256.*255"), ("c.config", "aipp_op"), ("none.config", "none.config")):
        with pytest.raises(RuntimeError, match=text):
            session.load_aipp_config_file(str(tmp_path / path), BATCH)
    for batch in (0, "2", None):
        with pytest.raises(RuntimeError):
            session.load_aipp_config_file(str(good), batch)
    assert session.load_aipp_config_file(str(good), BATCH) == 0
    check(session, image_models[0])


@each_engine
def test_a_model_without_aipp_ignores_it(opened, engine, tmp_path):
    session = opened(engine)
    assert session.get_dym_aipp_input_exist() == session.check_dym_aipp_input_exist() == 0
    assert session.load_aipp_config_file(str(config_file(tmp_path)), 1) == 0
    assert session.session.aipp_set_input_format("YUV400_U8") == session.session.set_dym_aipp_info_set() == 0
    session.infer([np.zeros((2, 6), np.float32)] * 2)


def test_two_aipp_inputs(opened, tmp_path):
    case = [test_acl_aipp.models.node("Add", "x y", "z")]
    from compat import save

    path = save("two_images", case, [("x", [1, 3, 4, 4]), ("y", [1, 3, 4, 4])], ["z"])
    om = test_acl_aipp.convert(tmp_path, path, "--input_shape=x:1,3,4,4;y:1,3,4,4", second=1)
    try:
        session = opened("acl", path=str(om))
    except RuntimeError as error:
        assert "AIPP" in str(error)
        return
    assert session.get_dym_aipp_input_exist() == 2
    with pytest.raises(RuntimeError, match="2 inputs"):
        session.check_dym_aipp_input_exist()
    with pytest.raises(RuntimeError):
        session.load_aipp_config_file(str(config_file(tmp_path)), 1)

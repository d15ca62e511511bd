"""Are images learnt by a pretrained backbone, of convolutions or of attention?"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from test_methods import run
from test_program_text import lint
from tiny import planned, program_of, write_config
from tiny_writers import section

from raygen.errors import RaygenError
from raygen.finetune.fragments import pixels
from raygen.source.candidate import Candidate


def tiny_mobilenet(folder: Path, *, padding: bool = False) -> Path:
    """Save convolutions that know three classes, padded as TensorFlow does or as usual."""
    import torch
    from transformers import MobileNetV2Config, MobileNetV2ForImageClassification

    torch.manual_seed(0)
    config = MobileNetV2Config(
        image_size=32,
        depth_multiplier=0.1,
        min_depth=8,
        num_labels=3,
        classifier_dropout_prob=0.0,
        tf_padding=padding,
    )
    MobileNetV2ForImageClassification(config).save_pretrained(folder)
    return folder


def tiny_vit(folder: Path) -> Path:
    """Save an attention over patches without a head."""
    import torch
    from transformers import ViTConfig, ViTModel

    torch.manual_seed(0)
    config = ViTConfig(
        image_size=32,
        patch_size=8,
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        hidden_dropout_prob=0.0,
        attention_probs_dropout_prob=0.0,
    )
    ViTModel(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", params=["mobilenet", "vit"])
def seeing(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny model of each kind."""
    make = {"mobilenet": tiny_mobilenet, "vit": tiny_vit}[request.param]
    folder = make(tmp_path_factory.mktemp(request.param))
    told = {"size": {"height": 32, "width": 32}, "image_mean": [0.5] * 3, "image_std": [0.25] * 3}
    (folder / "preprocessor_config.json").write_text(json.dumps(told), encoding="utf-8")
    return folder


def config_of(
    path: Path, model: Path, *, method: str = "full", epochs: int = 2, **more: Any
) -> Path:
    """A config of an image classification."""
    task = {"name": "ImageClassification", "dataset": {"path": str(path)}}
    given = section(model, method=method, batch_size=8, learning_rate=3e-3) | more
    return write_config(path.parent, model, task=task, model=given, search={"max_epochs": epochs})


def test_classes_are_learnt_and_told(photos: Path, seeing: Path) -> None:
    """The emitted program tells the sides apart, and predicts those of a folder."""
    blueprint = planned(config_of(photos, seeing, epochs=8))
    path = photos.parent / "emitted.py"
    path.write_text(blueprint.render(Candidate({})).text, encoding="utf-8")

    test = json.loads(run(path).splitlines()[-1])["test"]
    told = run(path, "--predict", str(photos / "left")).splitlines()

    assert blueprint.spec.constants["IMAGE_SIZE"] == (32, 32)
    assert test["accuracy"] >= 0.8
    assert [json.loads(line)["label"] for line in told].count("left") >= 24
    assert lint(blueprint, photos.parent) == ""


def test_a_folder_at_a_uri_is_the_folder(photos: Path, seeing: Path, web: Any) -> None:
    """RayGen and the program read the same images, and the program holds the URI."""
    config = config_of(photos, seeing)
    expected = planned(config).load_arrays()
    config.write_text(config.read_text().replace(str(photos), f"{web.uri}/photos"))

    blueprint = planned(config)

    assert blueprint.spec.constants["DATA"] == f"{web.uri}/photos"
    program = program_of(blueprint, photos.parent)
    for array, own in zip(expected.values(), program.load_data(), strict=True):
        np.testing.assert_array_equal(own, array)
    assert len([each for each in web.loaded if each.endswith(".png")]) == 60
    assert lint(blueprint, photos.parent) == ""


@pytest.mark.parametrize("method", ["lora", "head-only", "ia3"])
def test_few_weights_train_and_resume(photos: Path, seeing: Path, method: str) -> None:
    """The head, of another shape than the checkpoint's, is trained with what the method adds."""
    blueprint = planned(config_of(photos, seeing, method=method))
    program, arrays = program_of(blueprint, photos.parent), blueprint.load_arrays()
    x, y, saved = arrays["x"], arrays["y"], str(photos.parent / "saved")

    _, _, expected = program.train(x, y, 0, lambda metrics, save: None)
    program.train(x, y, 0, lambda metrics, save: save(saved), epochs=1)
    model, _, metrics = program.train(x, y, 0, lambda metrics, save: None, saved)

    assert metrics == expected
    trained = [n for n, w in model.named_parameters() if w.requires_grad]
    assert any("classifier" in name for name in trained)
    assert blueprint.num_parameters(Candidate({})) == sum(
        w.numel() for w in model.parameters() if w.requires_grad
    )


def test_merged_model_predicts_the_same(photos: Path, seeing: Path) -> None:
    """LoRA of convolutions and of linear layers goes into the weights."""
    from transformers import AutoModelForImageClassification

    blueprint = planned(config_of(photos, seeing, method="lora"))
    program, arrays = program_of(blueprint, photos.parent), blueprint.load_arrays()
    model, _, _ = program.train(arrays["x"], arrays["y"], 0, lambda metrics, save: None)

    expected = program.predict(model, arrays["x_test"], {})
    program.merge(model, str(photos.parent / "merged"))
    plain = AutoModelForImageClassification.from_pretrained(photos.parent / "merged")

    np.testing.assert_allclose(program.predict(plain, arrays["x_test"], {}), expected, atol=1e-4)
    assert (photos.parent / "merged" / "preprocessor_config.json").is_file()


def test_batch_has_the_size_and_the_scale_of_the_model(monkeypatch: pytest.MonkeyPatch) -> None:
    """Grey images of any size become three channels with the model's mean taken off."""
    monkeypatch.setattr(pixels, "SIZE", (8, 6))
    x = np.full((2, 5, 5, 1), 255, np.uint8)

    found = pixels.to_batch(x)["pixel_values"]

    assert found.shape == (2, 3, 8, 6)
    expected = (1 - np.array(pixels.MEAN)) / np.array(pixels.STD)
    np.testing.assert_allclose(found[0, :, 4, 3], expected, rtol=1e-5)


def test_methods_of_text_are_refused(photos: Path, seeing: Path) -> None:
    """There are no virtual tokens before an image."""
    with pytest.raises(RaygenError, match="ImageClassification has no such method; write lora"):
        planned(config_of(photos, seeing, method="prompt"))


def test_convolutions_that_lora_cannot_change_are_refused(photos: Path, tmp_path: Path) -> None:
    """MobileNet as TensorFlow pads it asks its convolutions for what LoRA's have not."""
    (tmp_path / "padded").mkdir()
    model = tiny_mobilenet(tmp_path / "padded", padding=True)
    told = '{"size": {"height": 32, "width": 32}}'
    (model / "preprocessor_config.json").write_text(told, encoding="utf-8")

    with pytest.raises(RaygenError, match=r"can be changed by lora.*write head-only or full"):
        planned(config_of(photos, model, method="lora"))


def test_model_that_does_not_say_how_it_sees_is_refused(photos: Path, tmp_path: Path) -> None:
    """Without preprocessor_config.json the size of the images is not known."""
    (tmp_path / "bare").mkdir()

    with pytest.raises(RaygenError, match=r"has no preprocessor_config.json.*save_pretrained"):
        planned(config_of(photos, tiny_vit(tmp_path / "bare")))


def test_a_head_that_is_known_is_trained_too(photos: Path, tmp_path: Path) -> None:
    """A model of as many classes as there are has a head that the checkpoint fills."""
    from transformers import AutoModelForImageClassification

    vit = tiny_vit(tmp_path / "vit")
    AutoModelForImageClassification.from_pretrained(vit, num_labels=2).save_pretrained(vit)
    told = '{"size": {"height": 32, "width": 32}}'
    (vit / "preprocessor_config.json").write_text(told, encoding="utf-8")
    blueprint = planned(config_of(photos, vit, method="head-only"))
    program, arrays = program_of(blueprint, tmp_path), blueprint.load_arrays()

    model, _, _ = program.train(arrays["x"], arrays["y"], 0, lambda metrics, save: None, epochs=1)

    trained = [name for name, weight in model.named_parameters() if weight.requires_grad]
    assert trained == ["classifier.weight", "classifier.bias"]


@pytest.mark.parametrize("ending", ["png", "jpg"])
def test_images_that_are_cut_off_are_refused(photos: Path, seeing: Path, ending: str) -> None:
    """Their headers are whole; what is missing is found before any training."""
    path = photos / "left" / "4.png"
    file = path.with_suffix(f".{ending}")
    Image.open(path).save(file)
    file.write_bytes(file.read_bytes()[:-200])

    with pytest.raises(RaygenError, match=rf"left/4.{ending} is not an image that can be read: "):
        planned(config_of(photos, seeing))


@pytest.mark.parametrize(
    ("told", "problem"),
    [
        ('{"size": {"height": 64, "width": 64}}', r"of a row \(Input image size \(64\*64\) does"),
        ('{"size": {"height": 32, "width": 32}, "image_mean": [0.5, 0.5]}', "of a row"),
        ('{"size": {"height": "big"}}', "TypeError"),
        ('{"size": ', "JSONDecodeError"),
        ("[]", "AttributeError"),
    ],
)
def test_preprocessor_of_another_model_is_refused(
    photos: Path, tmp_path: Path, told: str, problem: str
) -> None:
    """What it makes of a row is tried on the model before any training."""
    vit = tiny_vit(tmp_path / "vit")
    (vit / "preprocessor_config.json").write_text(told, encoding="utf-8")

    with pytest.raises(RaygenError, match=problem):
        planned(config_of(photos, vit))

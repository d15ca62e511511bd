"""Is speech written down by models that write and by models that align, and scored by errors?"""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from scipy.io import wavfile
from test_methods import run
from test_program_text import lint
from tiny import planned, program_of, write_config
from tiny_writers import section, words_tokenizer

from raygen.errors import RaygenError
from raygen.finetune.fragments import sounds
from raygen.source.candidate import Candidate

TONES = {"cat": 200, "dog": 500, "bird": 900}


def tiny_whisper(folder: Path) -> Path:
    """Save a model that hears one second and writes."""
    import torch
    from transformers import WhisperConfig, WhisperFeatureExtractor
    from transformers import WhisperForConditionalGeneration as Whisper

    torch.manual_seed(0)
    config = WhisperConfig(
        vocab_size=words_tokenizer(folder, ends=True),
        num_mel_bins=20,
        d_model=32,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=2,
        decoder_attention_heads=2,
        encoder_ffn_dim=64,
        decoder_ffn_dim=64,
        max_source_positions=50,
        max_target_positions=32,
        pad_token_id=0,
        bos_token_id=2,
        eos_token_id=3,
        decoder_start_token_id=2,
        suppress_tokens=None,
        begin_suppress_tokens=None,
    )
    Whisper(config).save_pretrained(folder)
    heard = WhisperFeatureExtractor(
        feature_size=20, sampling_rate=4000, hop_length=40, n_fft=160, chunk_length=1
    )
    heard.save_pretrained(folder)
    return folder


def tiny_wav2vec(folder: Path) -> Path:
    """Save a model that names the letter of each moment."""
    import torch
    from transformers import Wav2Vec2Config, Wav2Vec2CTCTokenizer, Wav2Vec2FeatureExtractor
    from transformers import Wav2Vec2ForCTC as Ctc

    torch.manual_seed(0)
    letters = {w: i for i, w in enumerate(("<pad>", "<s>", "</s>", "<unk>", "|", *"abcdgirot"))}
    (folder / "vocab.json").write_text(json.dumps(letters), encoding="utf-8")
    Wav2Vec2CTCTokenizer(str(folder / "vocab.json")).save_pretrained(folder)
    Wav2Vec2FeatureExtractor(sampling_rate=4000, return_attention_mask=True).save_pretrained(folder)
    config = Wav2Vec2Config(
        vocab_size=len(letters),
        hidden_size=32,
        num_hidden_layers=1,
        num_attention_heads=2,
        intermediate_size=64,
        conv_dim=(32, 32),
        conv_kernel=(20, 8),
        conv_stride=(10, 5),
        num_feat_extract_layers=2,
        feat_extract_norm="layer",
        num_conv_pos_embeddings=8,
        num_conv_pos_embedding_groups=2,
        mask_time_prob=0.0,
        layerdrop=0.0,
        hidden_dropout=0.0,
        attention_dropout=0.0,
        feat_proj_dropout=0.0,
        final_dropout=0.0,
        pad_token_id=0,
    )
    Ctc(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module", params=["whisper", "wav2vec"])
def hearing(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a tiny model of each kind."""
    make = {"whisper": tiny_whisper, "wav2vec": tiny_wav2vec}[request.param]
    return make(tmp_path_factory.mktemp(request.param))


@pytest.fixture
def clips(tmp_path: Path) -> Path:
    """Tones of three pitches with a name each, at twice the rate of the models."""
    rng = np.random.default_rng(0)
    words = [list(TONES)[i % 3] for i in range(60)]
    (tmp_path / "clips").mkdir()
    for number, word in enumerate(words):
        time = np.arange(rng.integers(2400, 4000)) / 8000
        wave = 0.5 * np.sin(2 * np.pi * TONES[word] * time + rng.uniform(0, 6))
        file = tmp_path / "clips" / f"{number}.wav"
        wavfile.write(file, 8000, (wave * 32767).astype(np.int16))
    frame = pd.DataFrame({"file": [f"clips/{n}.wav" for n in range(60)], "transcript": words})
    frame.to_csv(tmp_path / "clips.csv", index=False)
    return tmp_path / "clips.csv"


def config_of(
    path: Path, model: Path, *, epochs: int = 2, training: dict[str, Any] | None = None, **data: Any
) -> Path:
    """A config of a speech recognition."""
    task = {"name": "SpeechRecognition", "dataset": {"path": str(path), **data}}
    given = section(model, **(training or {}))
    return write_config(path.parent, model, task=task, model=given, search={"max_epochs": epochs})


def test_words_are_learnt_and_written(clips: Path, hearing: Path) -> None:
    """The emitted program tells the tones apart, and writes their names for a file of sounds."""
    training = {"learning_rate": 5e-3, "batch_size": 8}
    blueprint = planned(config_of(clips, hearing, epochs=12, training=training))
    path = clips.parent / "emitted.py"
    path.write_text(blueprint.render(Candidate({})).text, encoding="utf-8")

    lines = run(path).splitlines()
    told = run(path, "--predict", str(clips)).splitlines()

    assert json.loads(lines[-1])["test"].keys() == {"wer", "cer"}
    losses = [json.loads(line)["train_loss"] for line in lines[:-1]]
    assert losses[-1] < 0.6 * losses[0]
    assert [json.loads(line)["row"] for line in told] == list(range(60))
    assert lint(blueprint, clips.parent) == ""


def test_bytes_are_read_as_files_are(clips: Path, hearing: Path) -> None:
    """A column of bytes gives the same arrays as the paths of the same files."""
    frame = pd.read_csv(clips)
    frame["file"] = [(clips.parent / name).read_bytes() for name in frame["file"]]
    frame.to_parquet(clips.parent / "clips.parquet")

    expected = planned(config_of(clips, hearing)).load_arrays()
    found = planned(config_of(clips.parent / "clips.parquet", hearing)).load_arrays()

    assert all((found[name] == expected[name]).all() for name in expected)
    assert expected["x"].shape[1] <= 2001


def test_resuming_is_replaying(clips: Path, hearing: Path) -> None:
    """One epoch, saved and gone on with, is two, with the scores too."""
    blueprint = planned(config_of(clips, hearing))
    program, arrays = program_of(blueprint, clips.parent), blueprint.load_arrays()
    x, y, saved = arrays["x"], arrays["y"], str(clips.parent / "saved")

    _, _, expected = program.train(x, y, 0, lambda metrics, save: None)
    program.train(x, y, 0, lambda metrics, save: save(saved), epochs=1)
    _, _, metrics = program.train(x, y, 0, lambda metrics, save: None, saved)

    assert metrics == expected


@pytest.mark.parametrize("kind", [np.int16, np.int32, np.uint8, np.float32])
def test_waves_of_all_kinds_are_the_same(kind: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """A tone is the same tone at another rate, of another width, and in stereo."""
    monkeypatch.setattr(sounds, "RATE", 4000)
    tone = 0.5 * np.sin(2 * np.pi * 200 * np.arange(8000) / 8000)
    top = 1 if kind is np.float32 else np.iinfo(kind).max
    wave = (tone * (127 if kind is np.uint8 else top) + (128 if kind is np.uint8 else 0)).astype(
        kind
    )
    file = io.BytesIO()
    wavfile.write(file, 8000, np.stack([wave, wave], axis=1))

    found = sounds.read_wave(io.BytesIO(file.getvalue()))

    expected = 0.5 * np.sin(2 * np.pi * 200 * np.arange(4000) / 4000) * 32767
    assert len(found) == 4000
    np.testing.assert_allclose(found[100:-100], expected[100:-100], atol=400)


def test_sound_that_is_not_there_is_refused(clips: Path, hearing: Path) -> None:
    """A path without a file is named."""
    (clips.parent / "clips" / "7.wav").unlink()

    with pytest.raises(RaygenError, match=r"clips/7.wav cannot be read: .*must be a wav file"):
        planned(config_of(clips, hearing))


def test_sound_of_no_samples_is_refused(clips: Path, hearing: Path) -> None:
    """A file with a header and nothing behind it is named."""
    wavfile.write(clips.parent / "clips" / "7.wav", 8000, np.zeros(0, np.int16))

    with pytest.raises(RaygenError, match=r"task\.dataset\.audio: clips/7.wav has no samples"):
        planned(config_of(clips, hearing))


@pytest.mark.parametrize(
    ("changed", "told"),
    [
        ({"feature_size": 40}, "of a row"),
        ({"chunk_length": 2, "n_samples": 8000, "nb_max_frames": 200}, "of length 100"),
        ({"feature_extractor_type": "NoneSuch"}, "of a row"),
    ],
)
def test_preprocessor_of_another_model_is_refused(
    clips: Path, tmp_path: Path, changed: dict[str, Any], told: str
) -> None:
    """Spectra of other bands, or of another length, are tried on the model before any training."""
    (tmp_path / "model").mkdir()
    model = tiny_whisper(tmp_path / "model")
    file = model / "preprocessor_config.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | changed), encoding="utf-8")

    with pytest.raises(RaygenError, match=f"model.pretrained: the model cannot take .*{told}"):
        planned(config_of(clips, model))


def test_letters_that_a_model_does_not_know_are_refused(clips: Path, tmp_path: Path) -> None:
    """A model of small letters is not given capitals."""
    frame = pd.read_csv(clips).assign(transcript="CAT")
    frame.to_csv(clips, index=False)
    (tmp_path / "model").mkdir()

    with pytest.raises(RaygenError, match=r"60 transcripts have letters .*'CAT'"):
        planned(config_of(clips, tiny_wav2vec(tmp_path / "model")))


def test_sounds_beside_a_table_at_a_uri_are_refused(clips: Path, hearing: Path, web: Any) -> None:
    """The table is copied alone; what to do is told."""
    config = config_of(clips, hearing)
    config.write_text(config.read_text().replace(str(clips), f"{web.uri}/clips.csv"))

    with pytest.raises(RaygenError, match=r"0\.wav cannot be read: .*holds the bytes"):
        planned(config)

"""Faces found, brought upright and told apart (needs the judged faces: none lie in the repository)."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image, ImageFilter

from tellapart import TellapartError, load_encoder
from tellapart.encoders.load import sees_images


@pytest.fixture(scope="module")
def encoder():
    pytest.importorskip("dlib", reason="needs the extra faces")
    return load_encoder("face")


@pytest.fixture
def people(data):
    content = np.load(data / "att_faces" / "att_faces.npz")
    return [content["images"][content["labels"] == person] for person in (4, 5, 6, 7)]


def test_faces_of_one_person_are_nearer_than_those_of_two(encoder, people):
    vectors = encoder.encode_images([image for person in people for image in person[:3]])
    assert vectors.shape == (12, 128)
    assert np.linalg.norm(vectors, axis=1) == pytest.approx(1, abs=1e-5)
    scores = vectors @ vectors.T
    same = np.kron(np.eye(4), np.ones((3, 3))) - np.eye(12) > 0
    assert scores[same].min() > scores[~(same | np.eye(12, dtype=bool))].max()


def test_several_faces_come_the_largest_first_and_each_is_the_person(encoder, people):
    picture = np.full((300, 500), 128, dtype=np.uint8)
    for person, (left, scale) in enumerate(((10, 2), (150, 4))):
        image = people[person][1]
        large = np.asarray(Image.fromarray(image).resize((46 * scale, 56 * scale), Image.Resampling.BICUBIC))
        picture[20 : 20 + 56 * scale, left : left + 46 * scale] = large
    faces, vectors = encoder.faces(picture)
    assert len(faces) == 2
    assert faces[0].edge > faces[1].edge
    own = encoder.encode_images([people[1][0], people[0][0]])
    assert (np.diag(vectors @ own.T) > np.diag(vectors @ own[::-1].T)).all()


def test_blurred_and_tiny_faces_are_said_to_be_and_count_less(encoder, people):
    image = people[0][1]
    clear = encoder.faces(image)[0][0]
    blurred = encoder.faces(np.asarray(Image.fromarray(image).filter(ImageFilter.GaussianBlur(2))))[0][0]
    assert "blurred" in blurred.complaints
    assert blurred.quality < clear.quality
    small = encoder.faces(np.asarray(Image.fromarray(image).resize((28, 34))))[0]
    assert not small or any(each.startswith("tiny") for each in small[0].complaints)


def test_a_picture_without_a_face_has_no_vector(encoder):
    noise = np.random.default_rng(0).integers(0, 255, (200, 200, 3)).astype(np.uint8)
    assert encoder.faces(noise)[0] == []
    assert not encoder.encode_images([noise]).any()


def test_the_bundled_files_are_those_that_were_built(encoder):
    from tellapart.encoders.faces import FOLDER
    from tellapart.encoders.images import ImageEncoder

    network = ImageEncoder(FOLDER)
    assert network.fingerprint == network.config.fingerprint
    assert sees_images("face")
    assert sees_images("onnx:any.onnx")


def test_a_network_of_the_users_own_is_aligned_by_the_eyes(people, tmp_path):
    onnx = pytest.importorskip("onnx", reason="needs the extra train")
    helper, kinds = onnx.helper, onnx.TensorProto
    graph = helper.make_graph(
        [
            helper.make_node("AveragePool", ["x"], ["p"], kernel_shape=[16, 16], strides=[16, 16]),
            helper.make_node("Flatten", ["p"], ["y"]),
        ],
        "pool",
        [helper.make_tensor_value_info("x", kinds.FLOAT, [1, 3, 112, 112])],
        [helper.make_tensor_value_info("y", kinds.FLOAT, [1, 147])],
    )
    path = tmp_path / "own.onnx"
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    encoder = load_encoder(f"onnx:{path}")
    assert encoder.dim == 147
    vectors = encoder.encode_images(list(people[0][1:3]))
    assert float(vectors[0] @ vectors[1]) > 0.5
    with pytest.raises(TellapartError, match="no file"):
        load_encoder("onnx:absent.onnx")

import pytest

from cagic_tf.system import text_files

TEXT = "a café, “dog”\r\n"


@pytest.mark.parametrize(
    "data",
    [TEXT.encode(name) for name in ("utf-8", "utf-8-sig", "utf-16", "utf-32", "cp1252")]
    + [("\ufeff" + TEXT).encode(name) for name in ("utf-16-le", "utf-16-be", "utf-32-be")]
    + [TEXT.encode(name) for name in ("utf-16-le", "utf-16-be")],
)
def test_encodings_of_people(data):
    assert text_files.decoded(data) == TEXT


def test_text_in_other_scripts_is_utf_8():
    assert text_files.decoded("собака 犬".encode()) == "собака 犬"
    assert text_files.decoded(b"") == ""


@pytest.mark.parametrize(
    ("data", "said"),
    [
        ("собака на траве".encode("cp1251"), "its encoding is not known"),
        ("芝生の上の犬".encode("shift_jis"), "its encoding is not known"),
        ("草地上的狗".encode("gbk"), "its encoding is not known"),
        (b"a \x81 dog", "its encoding is not known"),  # Windows-1252 has no such letter.
        (b"\xff\xfea", "it looks like utf-16, but is not: truncated data"),
        (b"a dog\0", "it is no text: it holds zero bytes"),
        (bytes(8), "it is no text: it holds zero bytes"),
    ],
)
def test_what_is_no_text(data, said):
    with pytest.raises(ValueError, match=said) as caught:
        text_files.decoded(data)
    assert "\n" not in str(caught.value)

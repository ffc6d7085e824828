import pytest

from gatelab.runs.secrets import redact, redact_code, redact_text


@pytest.mark.parametrize(
    ("text", "secret"),
    [
        ("tracker.api_key=abc123", "abc123"),
        ("data.url=https://ada:lovelace@host/x.csv", "lovelace"),
        ("https://ghost@host/x.csv", "ghost"),
        ("postgresql://ada:love/lace@127.0.0.1:1/db", "lace"),
        ("http://ada:love@lace@127.0.0.1:1", "lace"),
        ("https://host/x.csv?dl=1&token=abc123&x=2", "abc123"),
        ("https://host/x.csv?X-Amz-Signature=abc123", "abc123"),
        ("WANDB_API_KEY: 'abc 123'", "abc 123"),
        ("password: hunter2", "hunter2"),
        ("Authorization: Bearer abcdef.ghijkl", "abcdef.ghijkl"),
        ('{"client_secret": "abc123"}', "abc123"),
        ("key ghp_0123456789abcdefghijABCDEFGHIJ456789 in a text", "ghp_0123456789abcdefghijABCDEFGHIJ456789"),
        ("-----BEGIN RSA PRIVATE KEY-----\nMIIE\n-----END RSA PRIVATE KEY-----", "MIIE"),
    ],
)
def test_a_secret_is_taken_out_of_a_text(text: str, secret: str) -> None:
    found = redact_text(text)
    assert secret not in found
    assert "***" in found
    assert redact_text(found) == found


@pytest.mark.parametrize(
    "text",
    [
        "data.tokenizer.vocab_size=20000 num_tokens=5 tokens: 12",
        "https://www.dropbox.com/s/o8qcunpgw88of4r/Sentiment.zip?dl=1",
        "83beb7691f876f9a762613e7c262f7a777a529cccfb96478089e912f1292c61c",
        "gatelab train encoder=gated model.pooling=mean",
        "a monkey=5, a keyboard: b",
        "PWD=/home/ada/project your password contains eight letters",
    ],
)
def test_what_is_no_secret_stays(text: str) -> None:
    assert redact_text(text) == text


def test_program_text_keeps_its_variables_but_not_its_quoted_secrets() -> None:
    code = 'login(token=token, api_key="abc123")\npassword: str = read()'
    assert redact_code(code) == 'login(token=token, api_key="***")\npassword: str = read()'


def test_the_value_of_a_secret_environment_variable_is_found_anywhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOME_SERVICE_TOKEN", "correct-horse")
    monkeypatch.setenv("SHORT_TOKEN", "abc")
    monkeypatch.setenv("HARMLESS", "battery-staple")
    assert redact_text("a correct-horse with a battery-staple, abc") == "a *** with a battery-staple, abc"


def test_nested_values_are_redacted_by_their_names() -> None:
    config = {
        "tracker": {"api_key": "x", "password": 123456, "token": None},
        "tokenizer": {"min_count": 2},
        "keys": [1],
    }
    assert redact(config) == {
        "tracker": {"api_key": "***", "password": "***", "token": None}, "tokenizer": {"min_count": 2}, "keys": [1],
    }  # fmt: skip
    assert redact({"secret": ["a", "b"]}) == {"secret": ["***", "***"]}
    assert redact({"label_counts": {"token": 7}}, numbers=False) == {"label_counts": {"token": 7}}

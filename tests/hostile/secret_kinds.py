"""Secrets of every kind, as they stand in a text."""

# In parts, so that it is not in a diff of this file.
LONG, AWS = "q7Vx2LmN8pRt4WzB" + "6cYd0eFgHj3kS5uA", "IOSFODNN7" + "EXAMPLE"
# What may stand in a text, and of it what must not.
KINDS = {
    "an AWS key": (f"AKIA{AWS}", AWS),
    "an AWS secret": (f"aws_secret_access_key={LONG}/+x", LONG),
    "a GitHub token": (f"ghp_{LONG}", LONG),
    "a fine-grained GitHub token": (f"github_pat_{LONG}_{LONG}", LONG),
    "a GitLab token": (f"glpat-{LONG}", LONG),
    "a Hugging Face token": (f"hf_{LONG}", LONG),
    "a wandb key": (f"wandb_v1_{LONG}", LONG),
    "a PyPI token": (f"pypi-AgEIcHlwaS5vcmc{LONG}", LONG),
    "an npm token": (f"npm_{LONG}abcd", LONG),
    "an OpenAI key": (f"sk-proj-{LONG}", LONG),
    "a bearer header": (f"Authorization: Bearer {LONG}", LONG),
    "a basic header": (f"Authorization: Basic {LONG}==", LONG),
    "a URL": (f"https://ada:{LONG}@localhost/x.git", LONG),
    "a query": (f"https://localhost/x.csv?a=1&sig={LONG}&b=2", LONG),
    "a .netrc": (f"machine api.wandb.ai login user password {LONG}", LONG),
    "a private key": (f"-----BEGIN OPENSSH PRIVATE KEY-----\n{LONG}\n-----END OPENSSH PRIVATE KEY-----", LONG),
    "a JSON web token": (f"eyJhbGciOiJIUzI1NiJ9.{LONG}.{LONG}", LONG),
    "an odd name": (f"MY_PAT={LONG}", LONG),
    "another odd name": (f"DB_PASS: {LONG}", LONG),
    "a third odd name": (f"DB_PWD={LONG}", LONG),
}

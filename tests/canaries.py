"""Secrets and personal data of every known shape, none of them real: to be planted, and missed."""

# Of the right shape and never valid. Joined, so that no scanner takes this file for a leak.
CANARIES = {
    "aws-access-key": ["AKIA" + "IOSFODNN7CANARY0", "ASIA" + "Q" * 16],
    "github-token": ["ghp_" + "c4NaRy" * 6, "gho_" + "c4NaRy" * 6, "github_pat_" + "c4" * 41],
    "gitlab-token": ["glpat-" + "c4NaRy-_" * 3, "glrt-" + "c4NaRy" * 4, "gloas-" + "0" * 64],
    "slack-token": [
        "xoxb-" + "123456789012-1234567890123-" + "c4NaRy" * 4,
        "https://hooks.slack.com/" + "services/T00000000/B00000000/" + "c4NaRy" * 4,
    ],
    "stripe-key": ["sk_live_" + "c4NaRy" * 4, "rk_live_" + "c4NaRy" * 16],
    "sendgrid-key": ["SG." + "c4NaRyc4NaRyc4NaRyc4Na." + "c4NaRy" * 7 + "x"],
    "square-token": ["sq0csp-" + "c4NaRy" * 7 + "x"],
    "twilio-key": ["AC" + "c4" * 16, "SK" + "0f" * 16],
    "mailchimp-key": ["0123456789abcdef" * 2 + "-us12"],
    "npm-token": ["npm_" + "c4NaRy" * 6],
    "pypi-token": ["pypi-" + "AgEIcHlwaS5vcmc" + "c4NaRy" * 12],
    "openai-key": [
        "sk-" + "c4NaRyc4NaRyc4NaRyc4" + "T3Blbk" + "FJ" + "c4NaRyc4NaRyc4NaRyc4",
        "sk-proj-" + "c4Na_y" * 12 + "T3Blbk" + "FJ" + "c4Na-y" * 12,
    ],
    "anthropic-key": ["sk-ant-" + "api03-" + "c4NaRy" * 15 + "AA"],
    "google-api-key": ["AIza" + "c4NaRyc4NaRyc4NaRyc4NaRyc4NaRyc4NaR"],
    "huggingface-token": ["hf_" + "caNaRy" * 5 + "caNa"],
    "jwt": ["eyJ" + "hbGciOiJIUzI1NiJ9." + "eyJzdWIiOiJjYW5hcnkifQ." + "c4NaRy_-c4NaRy"],
}
TOKENS = [(kind, token) for kind, tokens in CANARIES.items() for token in tokens]

_40 = "c4NaRy/+" * 5
_88 = "c4NaRy/+" * 10 + "c4NaRy=="

# The secret is only a part of the match: what stands around it is kept.
IN_CONTEXT = [
    ("url-credentials", "postgresql://admin:{}@db.internal/app", "hunter2-c4NaRy"),
    ("url-credentials", "redis://:{}@localhost:6379/0", "c4NaRy"),
    ("url-credentials", "https://user:{}@example.org/x.git", "ghp_" + "c4NaRy" * 6),
    ("aws-secret-key", "aws_secret_access_key = {}", _40),
    ("aws-secret-key", '"AWS_SECRET_KEY": "{}"', _40),
    ("azure-storage-key", "AccountName=x;AccountKey={};Suffix", _88),
    ("npm-token", "//registry.npmjs.org/:_authToken={}", "01234567-89ab-cdef-0123-456789abcdef"),
    ("telegram-token", "https://api.telegram.org/bot123456789:{}/x", "AAF-c" + "4NaRyc" * 5),
    ("discord-token", "'MTk4NjIyNDgzNDcxOTI1MjQ4.{}'", "Cl2FMQ." + "c4NaRy-_c" * 3),
]

PEM = "\n".join(
    [
        "-----BEGIN RSA " + "PRIVATE KEY-----",
        *["c4NaRy" * 10 + "c4Na"] * 4,
        "c4NaRy==",
        "-----END RSA " + "PRIVATE KEY-----",
    ]
)

# What only messages must not hold: in source code it is content. Each with its telling part.
PERSONAL = {
    "e-mail": ("mail jane.canary@example.org now", "jane.canary"),
    "home": ("/home/jcanary/project/x.py is gone", "jcanary"),
    "home of root's cousin": ("in /var/home/jcanary, line 3", "jcanary"),
    "mac home": ("cannot read /Users/jcanary/x.py", "jcanary"),
    "windows home": ("C:\\Users\\Jane Canary\\x.py", "Canary"),
    "windows home, short": ("C:/Users/jcanary", "jcanary"),
    "windows home in JSON": ('{"path": "C:\\\\Users\\\\jcanary\\\\x.py"}', "jcanary"),
    "windows home in WSL": ("/mnt/c/Users/jcanary/x.py", "jcanary"),
    "file URL": ("file:///home/jcanary/x.py", "jcanary"),
    "DSN": ("postgresql://mnemo:c4NaRy-pw@db:5432/mnemo", "c4NaRy-pw"),
    "DSN with @": ("redis://:c4NaRy@pw@broker/0", "c4NaRy"),
    "DSN in keywords": ("host=db user=mnemo password=c4NaRy-pw dbname=mnemo", "c4NaRy-pw"),
    "DSN with quotes": ("host=db password='a c4NaRy pw' dbname=mnemo", "c4NaRy"),
    "URL": ("https://jcanary:c4NaRy-pw@git.example.org/x.git", "c4NaRy-pw"),
    "URL with a name": ("https://jcanary@git.example.org/x.git", "jcanary"),
    "bearer": ("Authorization: Bearer c4NaRyc4NaRy", "c4NaRyc4"),
    "basic": ("Authorization: Basic amFuZTpjNE5hUnk=", "amFuZTpj"),
    "basic alone": ("sent Basic amFuZTpjNE5hUnk=", "amFuZTpj"),
    "token scheme": ("authorization: token c4NaRyc4NaRy", "c4NaRyc4"),
    "header in JSON": ('{"Authorization": "c4NaRyc4NaRy"}', "c4NaRyc4"),
    "password": ("password = c4NaRy-pw", "c4NaRy-pw"),
    "variable": ("MNEMO_DATABASE_PASSWORD=c4NaRy-pw", "c4NaRy-pw"),
    "password in JSON": ('{"db_password": "a c4NaRy pw"}', "c4NaRy"),
    "password in a mapping": ("{'passwd': 'c4NaRy-pw'}", "c4NaRy-pw"),
    "query": ("GET /x?access_token=c4NaRy-pw&page=2", "c4NaRy-pw"),
    "secret": ("client_secret: c4NaRy-pw", "c4NaRy-pw"),
    "key": ("X-Api-Key: c4NaRy-pw", "c4NaRy-pw"),
    "option": ("ran tool --password c4NaRy-pw --verbose", "c4NaRy-pw"),
}

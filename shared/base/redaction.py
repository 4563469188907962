"""What leaves the app as a log line, a span or a metric, without what may be secret. Pure.

The app puts no secret into either. This is the second wall: for texts of others (messages of Azure,
of the SDKs, of a user) that may hold one.
"""

from __future__ import annotations

import re
from urllib.parse import urlsplit

_MASK = "***"
# Scheme, user name, host and path, query and fragment.
_URL = re.compile(
    r"(?i)\b(?P<scheme>[a-z][a-z0-9+.-]{0,20}://)(?P<user>[^/?#\s\"'<>]*@)?(?P<place>[^?#\s\"'<>]*)"
    r"(?P<query>[?#][^\s\"'<>]*)?"
)
_API_VERSION = re.compile(r"(?i)[?&](api-version=[0-9A-Za-z.-]+)")
_WORDS = (
    r"(?:(?:account|access|private|shared|api|instrumentation|subscription)[-_]?key|"
    r"shared-?access-?signature|functions?-key|passwd|password|passphrase|passcode|pwd|secret|"
    r"secret-?value|token|identity-header|authorization|credential|cookie)"
)
# Of a command or of the list of its arguments: `--password X`, `["--password", "X"]`; and of XML.
_BESIDE = re.compile(
    rf"(?i)(?P<name>(?:(?<![\w-])--[\w-]*{_WORDS}\s+\\*[\"']?|[\"'][\w-]*{_WORDS}\\*[\"']\s*,\s*\\*[\"']"
    rf"|<[\w:.-]*{_WORDS}(?:\s[^<>]*)?>"
    # The short options of `docker login` and `curl`, and a block of YAML.
    r"|\blogin\b[^\n|;&]{0,200}?\s-p\s+[\"']?|\bcurl\b[^\n|;&]{0,200}?\s-u\s*[\"']?[^\s:\"']*:"
    rf"|(?<![\w-])[\w-]*{_WORDS}:[^\S\n]+[|>][+-]?\n\s*))[^\s\"',<]+"
)
# A name that says so, and its value: of a connection string, a header, a command, a JSON object.
_NAMED = re.compile(
    rf"(?i)(?P<name>(?<![\w-])(?:[\w-]*{_WORDS}s?|key(?=\s*=))\\*[\"']?\s*[=:]\s*)"
    r"(?:digest\s+\w+\s*=[^\n]*|"  # a list of names and values: all of the line
    r"(?:(?:bearer|basic|digest|negotiate|sharedkey)\s+)?\$?(?P<value>\[[^\]]*(?:\]|\Z)|\\+\"[^\"]*(?:\"|\Z)|\"(?:[^\"\\]|\\.)*(?:\"|\\?\Z)"
    r"|\\*'[^']*(?:'|\Z)|[^\s,;&\"']+))"
)
_BARE = re.compile(
    r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(?:-----END [A-Z ]*PRIVATE KEY-----|\Z)"
    r"|(?i:\bbearer\s+)[\w.~+/=-]{8,}"
    r"|\beyJ[\w-]{8,}\.[\w-]+\.[\w-]*"  # a JSON Web Token
    r"|\b(?:gh[pousr]_|github_pat_|glpat-|xox[abprs]-|hf_|npm_|nvapi-|sk-|AKIA)[\w-]{8,}"
    r"|(?:\b|%3[Ff]|%26)sig(?:=|%3[Dd])[\w%+/=-]+",
    re.DOTALL,
)


def redacted(text: str) -> str:
    """A text whose URLs have no user name and of their query only `api-version`, and in which
    values that look like secrets are replaced by three asterisks.
    """
    text = _URL.sub(_without_query, text)
    for pattern in (_BESIDE, _NAMED):
        text = pattern.sub(lambda found: f"{found['name']}{_MASK}", text)
    return _BARE.sub(_MASK, text)


def place_of(url: str) -> tuple[str, str]:
    """Host and path of a URL."""
    parts = urlsplit(url)
    return parts.hostname or "", redacted(parts.path)


def _without_query(found: re.Match[str]) -> str:
    version = _API_VERSION.search(found["query"] or "")
    return f"{found['scheme']}{found['place']}{f'?{version[1]}' if version else ''}"

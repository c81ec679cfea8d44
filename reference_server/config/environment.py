"""The environment variables that disable telemetry: those of MLflow's server, with its meanings."""

from collections.abc import Mapping

OPT_OUT = "MLFLOW_DISABLE_TELEMETRY"
OPT_OUT_OF_EVERYTHING = "DO_NOT_TRACK"

CI_VARIABLES = (
    "BITBUCKET_BUILD_NUMBER",
    "BUILDKITE",
    "CI",
    "CIRCLECI",
    "CLOUD_RUN_EXECUTION",
    "CODEBUILD_BUILD_ARN",
    "GITHUB_ACTIONS",
    "GITLAB_CI",
    "JENKINS_URL",
    "PYTEST_CURRENT_TEST",
    "RUNBOT_BUILD_NAME",
    "RUNBOT_HOST_URL",
    "RUNBOT_WORKER_ID",
    "TEAMCITY_VERSION",
    "TF_BUILD",
    "TRAVIS",
)
"""Variables that CI services set. Their presence disables telemetry, whatever their value: MLflow 3.18,
`mlflow/telemetry/utils.py`."""

NO = frozenset({"0", "false"})
YES = frozenset({"1", "true", "yes", "on"})


def is_disabled_by_environment(environ: Mapping[str, str]) -> bool:
    """Return whether an environment variable disables telemetry. Case does not matter.

    `MLFLOW_DISABLE_TELEMETRY` does so unless it is 0 or false: for any other value MLflow's server fails to
    read it, and disables telemetry. `DO_NOT_TRACK` does so if it is 1, true, yes or on; for MLflow only true.
    """
    opt_out = environ.get(OPT_OUT)
    if opt_out is not None and opt_out.strip().lower() not in NO:
        return True
    if environ.get(OPT_OUT_OF_EVERYTHING, "").strip().lower() in YES:
        return True
    return any(name in environ for name in CI_VARIABLES)

"""The old kairos of Python 2 has the same import name: where its files lie among ours, the error says what to do."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import kairos
from kairos._legacy import refuse_old_kairos


def test_our_own_folder_is_clean(tmp_path):
    assert refuse_old_kairos() is None
    (tmp_path / "timeseries.py").touch()  # both distributions have this one
    assert refuse_old_kairos(tmp_path) is None


@pytest.mark.parametrize("name", ["redis_backend.py", "mongo_backend.py", "sql_backend.py", "cassandra_backend.py"])
def test_a_file_of_the_old_one_is_named_with_what_to_do(tmp_path, name):
    (tmp_path / name).touch()
    with pytest.raises(ImportError) as caught:
        refuse_old_kairos(tmp_path)
    assert name in str(caught.value)
    assert "pip uninstall kairos kairos-core && pip install kairos-core" in str(caught.value)


def test_a_mixed_installation_cannot_be_imported(tmp_path):
    shutil.copytree(Path(kairos.__file__).parent, tmp_path / "kairos")
    (tmp_path / "kairos" / "redis_backend.py").write_text("from exceptions import *")
    # A coverage measurement must not follow into the copy.
    env = {key: value for key, value in os.environ.items() if not key.startswith("COVERAGE")}
    command = [sys.executable, "-c", "import kairos"]
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "ImportError: the old distribution 'kairos' (0.x)" in done.stderr
    (tmp_path / "kairos" / "redis_backend.py").unlink()
    subprocess.run(command, cwd=tmp_path, env=env, check=True)

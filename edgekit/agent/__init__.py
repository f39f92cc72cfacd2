"""The half that runs on the device: numpy and one runtime, nothing else of EdgeKit.

`python -m edgekit.agent JOB.json RESULT.json` does one job in one process; `schema.py`
defines the fields of jobs and results. Imports are relative, so that the folder also runs
as one packed file.
"""

"""The Cloud Function: functions-framework around the shared core. `make stage-function` makes what is deployed."""

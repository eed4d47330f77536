"""Records handed out as files: calls, events, the audit log, once or by schedule, for one client or for all."""

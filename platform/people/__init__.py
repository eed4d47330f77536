"""People who sign in: users, their roles, sessions, second factors, invitations."""

"""What every request passes through: request id, errors, authentication, authorization, audit."""

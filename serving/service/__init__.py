"""What HTTP and gRPC share: served models, their queues, and every call of the protocol."""

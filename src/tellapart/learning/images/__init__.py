"""From folders of images to an encoder that tells their identities apart."""

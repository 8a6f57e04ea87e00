"""StyleGAN2-ADA: networks, latent space, training; written from the papers."""

"""The guided setup: contact, broker, meter, circuits, proof, card, enable; each step alone, too."""

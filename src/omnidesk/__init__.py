"""An async omnichannel support desk."""

import { mount } from 'svelte'
import './app.css'
import App from './App.svelte'
import { learn } from './lib/i18n'
import { prefs } from './lib/prefs.svelte'

await learn(prefs.language)
mount(App, { target: document.getElementById('app')! })

@echo off
rem datapath.exchange: this takes back what mbx4.cmd made on mbx4. Run it there as an administrator.
rem Windows Server 2019, roles mailbox, state enforced, scope documented, encryption as_documented, plan 1295ce04dafe.
rem It imports mbx4-before.wfw, the whole policy of the firewall as it was: what others changed since then goes with it. Rules of mbx4.cmd that
rem are still there after that are deleted by name. Without that file it does nothing, unless it is run as mbx4-undo.cmd rules: then it deletes
rem the rules by name and leaves the profiles as they are, so that a profile that blocks will block without them.
setlocal EnableExtensions DisableDelayedExpansion
set "T=%SystemRoot%\System32"
set "F=HKLM\SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy"
set "FAILED="
"%T%\reg.exe" query HKU\S-1-5-19 >nul 2>&1 || (echo Run this as an administrator.& exit /b 2)
if "%~1"=="rules" goto rules
if not exist "%~dp0mbx4-before.wfw" (echo mbx4-before.wfw is not here. Nothing was changed.& exit /b 3)
"%T%\netsh.exe" advfirewall import "%~dp0mbx4-before.wfw" || (echo DATAPATH-FAILED 1& exit /b 1)
:rules
"%T%\netsh.exe" advfirewall consec delete rule name="datapath.exchange ipsec admin-remote-registry 22d7b1f5" >nul 2>&1
"%T%\netsh.exe" advfirewall consec delete rule name="datapath.exchange ipsec ccr-scr-log-shipping a34e801c" >nul 2>&1
"%T%\netsh.exe" advfirewall consec delete rule name="datapath.exchange clear icmp e33a2b4c" >nul 2>&1
"%T%\netsh.exe" advfirewall mainmode delete rule name="datapath.exchange main 88f2d2ee" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in ipsec-key-exchange a39867a4" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in ipsec-key-exchange ee08c804" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in ipsec-key-exchange c31685f7" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in ipsec-key-exchange 23511246" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in client-access-mailbox-same-site ffbaf5b9" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in remote-desktop adc02d37" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in remote-desktop 769b5738" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in oab-share-pull c606dc67" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in recipient-update-rpc 036a3603" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in admin-remote-registry 49b47cf3" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in admin-remote-registry 5ab3b0ba" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in availability-cas-to-mailbox 4d167899" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in mapi-to-mailbox 0c1db195" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in ccr-scr-seeding abb2204b" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in ccr-scr-log-shipping e6e4d96d" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in hub-to-mailbox-mapi 33571b60" >nul 2>&1
"%T%\netsh.exe" advfirewall firewall delete rule name="datapath.exchange in management dc5c1d8d" >nul 2>&1
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange ipsec admin-remote-registry 22d7b1f5|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 2& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange ipsec ccr-scr-log-shipping a34e801c|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 3& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange clear icmp e33a2b4c|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 4& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange main 88f2d2ee|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 5& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in ipsec-key-exchange a39867a4|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 6& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in ipsec-key-exchange ee08c804|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 7& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in ipsec-key-exchange c31685f7|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 8& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in ipsec-key-exchange 23511246|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 9& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in client-access-mailbox-same-site ffbaf5b9|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 10& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in remote-desktop adc02d37|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 11& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in remote-desktop 769b5738|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 12& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in oab-share-pull c606dc67|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 13& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in recipient-update-rpc 036a3603|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 14& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in admin-remote-registry 49b47cf3|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 15& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in admin-remote-registry 5ab3b0ba|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 16& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in availability-cas-to-mailbox 4d167899|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 17& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in mapi-to-mailbox 0c1db195|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 18& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in ccr-scr-seeding abb2204b|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 19& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in ccr-scr-log-shipping e6e4d96d|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 20& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in hub-to-mailbox-mapi 33571b60|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 21& set "FAILED=1")
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange in management dc5c1d8d|" >nul
if not errorlevel 1 (echo DATAPATH-FAILED 22& set "FAILED=1")
if defined FAILED exit /b 1
del /q "%~dp0mbx4-before.wfw" >nul 2>&1
echo DATAPATH-DONE
exit /b 0
